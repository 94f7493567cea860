CREATE TABLE `attempt_rollups` (
	`hour` integer NOT NULL,
	`route` text NOT NULL,
	`provider` text NOT NULL,
	`model` text NOT NULL,
	`decision` text NOT NULL,
	`reason` text NOT NULL,
	`attempts` integer NOT NULL,
	`total_us` integer,
	PRIMARY KEY(`hour`, `route`, `provider`, `model`, `decision`, `reason`)
);
--> statement-breakpoint
ALTER TABLE `rollups` DROP COLUMN `attempts`;