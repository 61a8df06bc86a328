//! Where the search cluster is.

use lakewright_config::SearchConnection;

/// The URL of the search cluster: that in the environment, or else the configuration's.
pub fn url(search: &SearchConnection) -> String {
    chosen(std::env::var("LAKEWRIGHT_SEARCH_URL").ok(), search)
}

fn chosen(environment: Option<String>, search: &SearchConnection) -> String {
    environment.filter(|url| !url.is_empty()).unwrap_or_else(|| search.url.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_over_the_configuration() {
        let search = SearchConnection { url: "http://search.shop.internal:9200".to_owned() };
        assert_eq!(chosen(None, &search), search.url);
        assert_eq!(chosen(Some(String::new()), &search), search.url);
        assert_eq!(chosen(Some("http://127.0.0.1:1".to_owned()), &search), "http://127.0.0.1:1");
    }
}
