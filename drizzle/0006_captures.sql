CREATE TABLE `capture_nodes` (
	`seq` integer PRIMARY KEY NOT NULL,
	`parent` integer NOT NULL,
	`piece` integer NOT NULL,
	FOREIGN KEY (`piece`) REFERENCES `capture_pieces`(`seq`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `capture_nodes_parent_piece` ON `capture_nodes` (`parent`,`piece`);--> statement-breakpoint
CREATE INDEX `capture_nodes_piece` ON `capture_nodes` (`piece`);--> statement-breakpoint
CREATE TABLE `capture_pieces` (
	`seq` integer PRIMARY KEY NOT NULL,
	`hash` blob NOT NULL,
	`encoding` text NOT NULL,
	`body` blob NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `capture_pieces_hash_unique` ON `capture_pieces` (`hash`);--> statement-breakpoint
CREATE TABLE `captures` (
	`exchange_seq` integer NOT NULL,
	`kind` text NOT NULL,
	`node` integer NOT NULL,
	`split` integer NOT NULL,
	`bytes` integer NOT NULL,
	`truncated` integer NOT NULL,
	PRIMARY KEY(`exchange_seq`, `kind`),
	FOREIGN KEY (`exchange_seq`) REFERENCES `exchanges`(`seq`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`node`) REFERENCES `capture_nodes`(`seq`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `captures_node` ON `captures` (`node`);--> statement-breakpoint
DROP TABLE `exchange_payloads`;--> statement-breakpoint
DROP TABLE `payloads`;--> statement-breakpoint
DROP INDEX `sessions_key_id`;--> statement-breakpoint
ALTER TABLE `sessions` ADD `exchanges` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `sessions` ADD `errors` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `sessions` ADD `input_uncached_tokens` integer;--> statement-breakpoint
ALTER TABLE `sessions` ADD `cache_read_tokens` integer;--> statement-breakpoint
ALTER TABLE `sessions` ADD `cache_write_tokens` integer;--> statement-breakpoint
ALTER TABLE `sessions` ADD `output_text_tokens` integer;--> statement-breakpoint
ALTER TABLE `sessions` ADD `reasoning_tokens` integer;--> statement-breakpoint
ALTER TABLE `sessions` ADD `audio_tokens` integer;--> statement-breakpoint
ALTER TABLE `sessions` ADD `cost_nano` integer;--> statement-breakpoint
ALTER TABLE `sessions` ADD `provider_cost_nano` integer;--> statement-breakpoint
CREATE UNIQUE INDEX `sessions_id_key` ON `sessions` (`id`,`key`);