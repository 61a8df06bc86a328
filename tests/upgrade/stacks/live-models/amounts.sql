-- materialization: replace

SELECT sale_id, amount FROM raw.sales
