-- Each search, and what its session did until the next one: products looked at, put into the cart, bought.
-- materialization: merge
-- key: search_id

WITH actions AS (
  SELECT
    event_id, event_type, event_time, session_id, user_id, user_agent, location, search_keywords, kafka_offset,
    row_number() OVER (PARTITION BY event_id ORDER BY kafka_partition, kafka_offset) AS copy
  FROM raw.user_actions
),
numbered AS (
  SELECT
    event_id, event_type, event_time, session_id, user_id, user_agent, search_keywords,
    array_join(location, '|', '') AS place,
    sum(CASE WHEN event_type = 'search' THEN 1 ELSE 0 END) OVER (
      PARTITION BY session_id
      ORDER BY event_time, kafka_offset
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS search_number
  FROM actions
  WHERE copy = 1
),
searches AS (
  SELECT
    session_id,
    search_number,
    max(CASE WHEN event_type = 'search' THEN event_id END) AS search_id,
    max(CASE WHEN event_type = 'search' THEN event_time END) AS searched_at,
    max(CASE WHEN event_type = 'search' THEN lower(trim(search_keywords)) END) AS keywords,
    max(user_id) AS user_id,
    max(user_agent) AS user_agent,
    max(place) AS place,
    sum(CASE WHEN event_type = 'view_product' THEN 1 ELSE 0 END) AS views,
    sum(CASE WHEN event_type = 'add_to_cart' THEN 1 ELSE 0 END) AS carts,
    sum(CASE WHEN event_type = 'checkout' THEN 1 ELSE 0 END) AS checkouts,
    sum(CASE WHEN event_type = 'purchase' THEN 1 ELSE 0 END) AS purchases
  FROM numbered
  WHERE search_number > 0
  GROUP BY session_id, search_number
)
SELECT
  searches.search_id AS search_id,
  searches.searched_at AS searched_at,
  searches.session_id AS session_id,
  searches.user_id AS user_id,
  coalesce(searches.keywords, '') AS keywords,
  coalesce(nullif(split_part(searches.place, '|', 4), ''), 'unknown') AS country,
  coalesce(nullif(split_part(searches.place, '|', 3), ''), 'unknown') AS city,
  CASE
    WHEN searches.user_agent IS NULL THEN 'unknown'
    WHEN lower(searches.user_agent) LIKE '%bot%' OR lower(searches.user_agent) LIKE '%headless%'
      OR lower(searches.user_agent) LIKE '%scrapy%' OR lower(searches.user_agent) LIKE '%python-%' THEN 'robot'
    WHEN searches.user_agent LIKE '%Edg/%' THEN 'Edge'
    WHEN searches.user_agent LIKE '%SamsungBrowser/%' THEN 'Samsung Internet'
    WHEN searches.user_agent LIKE '%OPR/%' THEN 'Opera'
    WHEN searches.user_agent LIKE '%Firefox/%' THEN 'Firefox'
    WHEN searches.user_agent LIKE '%Chrome/%' THEN 'Chrome'
    WHEN searches.user_agent LIKE '%Safari/%' THEN 'Safari'
    ELSE 'other'
  END AS browser,
  CAST(searches.views AS bigint) AS views,
  CAST(searches.carts AS bigint) AS carts,
  CAST(searches.checkouts AS bigint) AS checkouts,
  CAST(searches.purchases AS bigint) AS purchases
FROM searches
