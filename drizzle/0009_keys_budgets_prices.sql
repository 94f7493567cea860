CREATE TABLE `api_key_secrets` (
	`id` text PRIMARY KEY NOT NULL,
	`key_id` text NOT NULL,
	`hash` blob NOT NULL,
	`sealed_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`ends_at` integer,
	FOREIGN KEY (`key_id`) REFERENCES `api_keys`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `api_key_secrets_key` ON `api_key_secrets` (`key_id`);--> statement-breakpoint
CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`terms` text NOT NULL,
	`created_at` integer NOT NULL,
	`created_by` text,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_name_unique` ON `api_keys` (`name`);--> statement-breakpoint
CREATE TABLE `budget_alerts` (
	`id` text PRIMARY KEY NOT NULL,
	`body` text NOT NULL,
	`created_at` integer NOT NULL,
	`tries` integer NOT NULL,
	`due_at` integer,
	`delivered_at` integer
);
--> statement-breakpoint
CREATE INDEX `budget_alerts_due` ON `budget_alerts` (`due_at`);--> statement-breakpoint
CREATE TABLE `database_secrets` (
	`name` text PRIMARY KEY NOT NULL,
	`value` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `prices` (
	`seq` integer PRIMARY KEY NOT NULL,
	`price` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `prices_price_unique` ON `prices` (`price`);--> statement-breakpoint
ALTER TABLE `attempts` ADD `cost_nano` integer;--> statement-breakpoint
ALTER TABLE `exchanges` ADD `price_seq` integer;--> statement-breakpoint
ALTER TABLE `minute_rollups` ADD `difference_nano` integer;--> statement-breakpoint
ALTER TABLE `minute_rollups` ADD `difference_known` integer;--> statement-breakpoint
ALTER TABLE `rollups` ADD `difference_nano` integer;--> statement-breakpoint
ALTER TABLE `rollups` ADD `difference_known` integer;