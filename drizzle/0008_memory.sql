CREATE TABLE `memory` (
	`name` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL,
	`written_at` integer NOT NULL
);
