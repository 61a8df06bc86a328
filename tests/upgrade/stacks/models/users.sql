-- The customers as they are now: of each, the newest row of the raw zone.
-- materialization: merge
-- key: user_id

SELECT user_id, email, full_name, country, city, marketing_opt_in, loyalty_points, created_at, updated_at
FROM (
  SELECT
    *,
    row_number() OVER (PARTITION BY user_id ORDER BY updated_at DESC, kafka_offset DESC) AS newest
  FROM raw.users
) AS versions
WHERE newest = 1
