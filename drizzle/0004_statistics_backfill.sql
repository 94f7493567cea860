-- Custom SQL migration file, put your code below! --
-- The same table in the order of its key: a month of one view lies together. Drizzle cannot say so.
DROP TABLE `summaries`;
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
) WITHOUT ROWID;
--> statement-breakpoint
-- What no row tells: every exchange of a rollup has its outcome.
UPDATE `rollups` SET `counts` = json_object(`outcome` || '/unknown', `exchanges`);
--> statement-breakpoint
UPDATE `rollups` SET
	`counts` = `found`.`counts`,
	`streamed_tokens` = `found`.`streamed_tokens`,
	`streamed_us` = `found`.`streamed_us`
FROM (
	SELECT
		`hour`, `route`, `provider`, `model`, `key`, `outcome`, `streaming`,
		json_group_object(`outcome` || '/' || `end_reason`, `times`) AS `counts`,
		sum(`times`) AS `exchanges`,
		sum(`streamed_tokens`) AS `streamed_tokens`,
		sum(`streamed_us`) AS `streamed_us`
	FROM (
		SELECT
			`started_at` / 3600000 * 3600000 AS `hour`,
			coalesce(`route`, '') AS `route`,
			coalesce(`provider`, '') AS `provider`,
			coalesce(`model`, '') AS `model`,
			coalesce(`key`, '') AS `key`,
			`outcome`,
			`streaming`,
			`end_reason`,
			count(*) AS `times`,
			sum(CASE WHEN `streaming` AND `last_byte_us` > `first_content_us`
				THEN coalesce(`output_text_tokens` + `reasoning_tokens`, `output_text_tokens`, `reasoning_tokens`) END)
				AS `streamed_tokens`,
			sum(CASE WHEN `streaming` AND `last_byte_us` > `first_content_us`
				AND coalesce(`output_text_tokens`, `reasoning_tokens`) IS NOT NULL
				THEN `last_byte_us` - `first_content_us` END) AS `streamed_us`
		FROM `exchanges`
		GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
	)
	GROUP BY 1, 2, 3, 4, 5, 6, 7
) AS `found`
WHERE `rollups`.`hour` = `found`.`hour` AND `rollups`.`route` = `found`.`route`
	AND `rollups`.`provider` = `found`.`provider` AND `rollups`.`model` = `found`.`model`
	AND `rollups`.`key` = `found`.`key` AND `rollups`.`outcome` = `found`.`outcome`
	AND `rollups`.`streaming` = `found`.`streaming` AND `rollups`.`exchanges` = `found`.`exchanges`;
--> statement-breakpoint
INSERT INTO `rollups` (`hour`, `route`, `provider`, `model`, `key`, `outcome`, `streaming`, `exchanges`,
	`usage_known`, `cost_known`, `total_histogram`, `first_content_histogram`, `counts`)
SELECT `hour`, `route`, `provider`, `model`, `key`, `outcome`, `streaming`, 0, 0, 0, x'', x'',
	json_group_object(`decision` || '/' || `reason`, `times`)
FROM (
	SELECT
		`exchanges`.`started_at` / 3600000 * 3600000 AS `hour`,
		coalesce(`exchanges`.`route`, '') AS `route`,
		`attempts`.`provider` AS `provider`,
		`attempts`.`model` AS `model`,
		coalesce(`exchanges`.`key`, '') AS `key`,
		`exchanges`.`outcome` AS `outcome`,
		`exchanges`.`streaming` AS `streaming`,
		`attempts`.`decision` AS `decision`,
		coalesce(`attempts`.`reason`, '') AS `reason`,
		count(*) AS `times`
	FROM `attempts`
	INNER JOIN `exchanges` ON `exchanges`.`seq` = `attempts`.`exchange_seq`
	GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
)
WHERE true
GROUP BY 1, 2, 3, 4, 5, 6, 7
ON CONFLICT DO UPDATE SET `counts` = json_patch(`rollups`.`counts`, excluded.`counts`);
