CREATE TABLE `minute_rollups` (
	`minute` integer NOT NULL,
	`route` text NOT NULL,
	`provider` text NOT NULL,
	`model` text NOT NULL,
	`key` text NOT NULL,
	`outcome` text NOT NULL,
	`streaming` integer NOT NULL,
	`exchanges` integer NOT NULL,
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
	`savings_nano` integer,
	`savings_known` integer DEFAULT 0 NOT NULL,
	`streamed_tokens` integer,
	`streamed_us` integer,
	`counts` text DEFAULT '{}' NOT NULL,
	PRIMARY KEY(`minute`, `route`, `provider`, `model`, `key`, `outcome`, `streaming`)
);
--> statement-breakpoint
CREATE TABLE `summaries` (
	`step` integer NOT NULL,
	`view` text NOT NULL,
	`at` integer NOT NULL,
	`route` text NOT NULL,
	`provider` text NOT NULL,
	`model` text NOT NULL,
	`key` text NOT NULL,
	`counts` text NOT NULL,
	`figures` blob NOT NULL,
	PRIMARY KEY(`step`, `view`, `at`, `route`, `provider`, `model`, `key`)
);
--> statement-breakpoint
ALTER TABLE `exchanges` ADD `dearest_cost_nano` integer;--> statement-breakpoint
CREATE INDEX `exchanges_session` ON `exchanges` (`session`,`id`) WHERE session is not null;--> statement-breakpoint
CREATE INDEX `exchanges_notable` ON `exchanges` (`id`) WHERE outcome <> 'ok';--> statement-breakpoint
ALTER TABLE `rollups` ADD `savings_nano` integer;--> statement-breakpoint
ALTER TABLE `rollups` ADD `savings_known` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `rollups` ADD `streamed_tokens` integer;--> statement-breakpoint
ALTER TABLE `rollups` ADD `streamed_us` integer;--> statement-breakpoint
ALTER TABLE `rollups` ADD `counts` text DEFAULT '{}' NOT NULL;--> statement-breakpoint
CREATE INDEX `sessions_last_at` ON `sessions` (`last_at`);