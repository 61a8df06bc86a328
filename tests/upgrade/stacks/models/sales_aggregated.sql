-- Orders, pieces and revenue by day (UTC), country and product. A product that was sold before its stock was
-- reported has the category 'unknown' until then.
-- materialization: replace

WITH products AS (
  SELECT product_id, max(category) AS category
  FROM warehouse.inventory
  GROUP BY product_id
)
SELECT
  CAST(sales.sold_at AS date) AS day,
  sales.country AS country,
  coalesce(products.category, 'unknown') AS category,
  sales.product_id AS product_id,
  count(*) AS orders,
  sum(sales.quantity) AS quantity,
  CAST(sum(sales.amount) AS decimal(18, 2)) AS revenue
FROM warehouse.sales AS sales
LEFT JOIN products ON products.product_id = sales.product_id
GROUP BY
  CAST(sales.sold_at AS date),
  sales.country,
  coalesce(products.category, 'unknown'),
  sales.product_id
