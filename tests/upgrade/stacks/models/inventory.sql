-- What is in stock now: of each product in each warehouse, the newest row of the raw zone.
-- materialization: merge
-- key: product_id, warehouse

SELECT product_id, name, category, brand, warehouse, stock, price, updated_at
FROM (
  SELECT
    *,
    row_number() OVER (PARTITION BY product_id, warehouse ORDER BY updated_at DESC, kafka_offset DESC) AS newest
  FROM raw.inventory
) AS versions
WHERE newest = 1
