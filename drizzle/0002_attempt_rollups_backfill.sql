-- Custom SQL migration file, put your code below! --
INSERT INTO `attempt_rollups` (`hour`, `route`, `provider`, `model`, `decision`, `reason`, `attempts`, `total_us`)
SELECT
	`exchanges`.`started_at` / 3600000 * 3600000,
	coalesce(`exchanges`.`route`, ''),
	`attempts`.`provider`,
	`attempts`.`model`,
	`attempts`.`decision`,
	coalesce(`attempts`.`reason`, ''),
	count(*),
	sum(`attempts`.`total_us`)
FROM `attempts`
INNER JOIN `exchanges` ON `exchanges`.`seq` = `attempts`.`exchange_seq`
GROUP BY 1, 2, 3, 4, 5, 6;
