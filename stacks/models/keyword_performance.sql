-- Searches by day (UTC), keywords, country and browser, and how many of them led how far.
-- materialization: replace

SELECT
  CAST(searched_at AS date) AS day,
  keywords,
  country,
  browser,
  count(*) AS searches,
  sum(CASE WHEN views > 0 THEN 1 ELSE 0 END) AS with_view,
  sum(CASE WHEN carts > 0 THEN 1 ELSE 0 END) AS with_cart,
  sum(CASE WHEN checkouts > 0 THEN 1 ELSE 0 END) AS with_checkout,
  sum(CASE WHEN purchases > 0 THEN 1 ELSE 0 END) AS with_purchase
FROM warehouse.searches
GROUP BY CAST(searched_at AS date), keywords, country, browser
