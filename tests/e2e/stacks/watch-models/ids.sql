-- materialization: replace

SELECT sale_id FROM raw.sales
