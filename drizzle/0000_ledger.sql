CREATE TABLE `attempts` (
	`exchange_seq` integer NOT NULL,
	`number` integer NOT NULL,
	`provider` text NOT NULL,
	`model` text NOT NULL,
	`decision` text NOT NULL,
	`reason` text,
	`status` integer,
	`error` text,
	`started_us` integer NOT NULL,
	`headers_us` integer,
	`first_content_us` integer,
	`total_us` integer,
	`rate_limit` text,
	FOREIGN KEY (`exchange_seq`) REFERENCES `exchanges`(`seq`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `attempts_exchange` ON `attempts` (`exchange_seq`);--> statement-breakpoint
CREATE TABLE `exchange_payloads` (
	`exchange_seq` integer NOT NULL,
	`kind` text NOT NULL,
	`hash` blob NOT NULL,
	PRIMARY KEY(`exchange_seq`, `kind`),
	FOREIGN KEY (`exchange_seq`) REFERENCES `exchanges`(`seq`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`hash`) REFERENCES `payloads`(`hash`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `exchange_payloads_hash` ON `exchange_payloads` (`hash`);--> statement-breakpoint
CREATE TABLE `exchanges` (
	`seq` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`started_at` integer NOT NULL,
	`correlation_id` text,
	`key` text,
	`session` text,
	`method` text NOT NULL,
	`endpoint` text NOT NULL,
	`streaming` integer NOT NULL,
	`requested_model` text,
	`route` text,
	`policy` text,
	`strategy` text,
	`complexity` real,
	`tier` text,
	`provider` text,
	`model` text,
	`response_model` text,
	`upstream_response_id` text,
	`status` integer,
	`upstream_status` integer,
	`outcome` text NOT NULL,
	`end_reason` text NOT NULL,
	`error_code` text,
	`error_message` text,
	`finish_reason` text,
	`input_uncached_tokens` integer,
	`cache_read_tokens` integer,
	`cache_write_tokens` integer,
	`output_text_tokens` integer,
	`reasoning_tokens` integer,
	`audio_tokens` integer,
	`usage_source` text NOT NULL,
	`cost_nano` integer,
	`provider_cost_nano` integer,
	`price_source` text,
	`attempts` integer NOT NULL,
	`queue_us` integer,
	`connect_us` integer,
	`headers_us` integer,
	`first_content_us` integer,
	`last_byte_us` integer,
	`commit_us` integer,
	`total_us` integer,
	`overhead_us` integer,
	`lag_us` integer,
	`bytes_in` integer,
	`bytes_out` integer,
	`chunks` integer,
	`largest_gap_us` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `exchanges_id_unique` ON `exchanges` (`id`);--> statement-breakpoint
CREATE TABLE `payloads` (
	`hash` blob PRIMARY KEY NOT NULL,
	`encoding` text NOT NULL,
	`bytes` integer NOT NULL,
	`body` blob NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `rollups` (
	`hour` integer NOT NULL,
	`route` text NOT NULL,
	`provider` text NOT NULL,
	`model` text NOT NULL,
	`key` text NOT NULL,
	`outcome` text NOT NULL,
	`streaming` integer NOT NULL,
	`exchanges` integer NOT NULL,
	`attempts` integer NOT NULL,
	`input_uncached_tokens` integer,
	`cache_read_tokens` integer,
	`cache_write_tokens` integer,
	`output_text_tokens` integer,
	`reasoning_tokens` integer,
	`audio_tokens` integer,
	`usage_known` integer NOT NULL,
	`cost_nano` integer,
	`cost_known` integer NOT NULL,
	`provider_cost_nano` integer,
	`bytes_in` integer,
	`bytes_out` integer,
	`total_us` integer,
	`total_histogram` blob NOT NULL,
	`first_content_histogram` blob NOT NULL,
	PRIMARY KEY(`hour`, `route`, `provider`, `model`, `key`, `outcome`, `streaming`)
);
--> statement-breakpoint
CREATE TABLE `sessions` (
	`seq` integer PRIMARY KEY NOT NULL,
	`key` text NOT NULL,
	`id` text NOT NULL,
	`first_at` integer NOT NULL,
	`last_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `sessions_key_id` ON `sessions` (`key`,`id`);