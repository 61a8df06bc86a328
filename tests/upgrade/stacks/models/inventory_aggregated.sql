-- Products, pieces and their value by category and warehouse.
-- materialization: replace

SELECT
  category,
  warehouse,
  count(*) AS products,
  sum(stock) AS stock,
  CAST(sum(stock * price) AS decimal(18, 2)) AS stock_value
FROM warehouse.inventory
GROUP BY category, warehouse
