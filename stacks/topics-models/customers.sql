-- The customers as they are now: of each, the newest of its change events, unless that deleted it.
-- materialization: replace
-- key: customer_id

SELECT customer_id, email, full_name, city, country, birthday, changed_at
FROM (
  SELECT
    *,
    -- All events of a customer are in one partition, in their order.
    row_number() OVER (PARTITION BY customer_id ORDER BY kafka_offset DESC) AS newest
  FROM raw.customers
) AS changes
WHERE newest = 1 AND NOT deleted
