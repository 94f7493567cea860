UPDATE `sessions` SET (`exchanges`, `errors`, `input_uncached_tokens`, `cache_read_tokens`, `cache_write_tokens`, `output_text_tokens`, `reasoning_tokens`, `audio_tokens`, `cost_nano`, `provider_cost_nano`) = (
	SELECT count(*), count(*) FILTER (WHERE `outcome` IN ('failed', 'truncated')),
		sum(`exchanges`.`input_uncached_tokens`), sum(`exchanges`.`cache_read_tokens`), sum(`exchanges`.`cache_write_tokens`),
		sum(`exchanges`.`output_text_tokens`), sum(`exchanges`.`reasoning_tokens`), sum(`exchanges`.`audio_tokens`),
		sum(`exchanges`.`cost_nano`), sum(`exchanges`.`provider_cost_nano`)
	FROM `exchanges`
	WHERE `exchanges`.`session` = `sessions`.`id` AND `exchanges`.`key` IS nullif(`sessions`.`key`, '')
);
