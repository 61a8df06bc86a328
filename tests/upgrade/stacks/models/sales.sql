-- The sales, each once: a message that was sent twice is the same sale.
-- materialization: merge
-- key: sale_id

SELECT
  sale_id, user_id, session_id, product_id, quantity, unit_price, amount, currency, payment_method, channel, country,
  sold_at
FROM (
  SELECT
    *,
    row_number() OVER (PARTITION BY sale_id ORDER BY sold_at DESC, kafka_offset DESC) AS newest
  FROM raw.sales
) AS versions
WHERE newest = 1
