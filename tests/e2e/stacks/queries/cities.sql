-- The towns with the most users first.
SELECT u.city, count(*) AS users
FROM raw.users AS u
GROUP BY u.city
ORDER BY users DESC, u.city
