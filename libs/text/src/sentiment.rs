//! Whether a text praises or complains, by the lexicon and the rules of VADER.

use vader_sentimental::SentimentIntensityAnalyzer;

use crate::looked_at;

/// What VADER's authors take for neither praise nor complaint: sums between the negative of it and it.
const NEUTRAL: f64 = 0.05;

/// Whether a text praises or complains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It praises.
    Positive,
    /// Neither, or both alike.
    Neutral,
    /// It complains.
    Negative,
}

impl Mood {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Neutral => "neutral",
            Self::Negative => "negative",
        }
    }
}

/// How much a text praises or complains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sentiment {
    /// Which of them.
    pub mood: Mood,
    /// VADER's `compound`, -1 to 1, to two places.
    pub score: f64,
}

/// The sentiment of an English text: the lexicon knows no other language's words.
pub fn sentiment(text: &str) -> Sentiment {
    let found = SentimentIntensityAnalyzer::new().polarity_scores(looked_at(text)).compound;
    // The order in which terms are added may change the last digits.
    let found = if found.is_finite() { found } else { 0.0 };
    let mood = match found {
        found if found >= NEUTRAL => Mood::Positive,
        found if found <= -NEUTRAL => Mood::Negative,
        _ => Mood::Neutral,
    };
    Sentiment { mood, score: (found * 100.0).round() / 100.0 + 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn praise_and_complaint_are_told_apart() {
        for (mood, text) in [
            (Mood::Positive, "This lipstick is great, I love it!"),
            (Mood::Positive, "Not bad at all."),
            (Mood::Negative, "It broke after a day. Terrible quality, I hate it."),
            (Mood::Negative, "This is not good."),
            (Mood::Neutral, "It comes in a box of twelve."),
            (Mood::Neutral, ""),
        ] {
            assert_eq!(sentiment(text).mood, mood, "{text}: {:?}", sentiment(text));
        }
        assert!(sentiment("It is GREAT!!!").score > sentiment("It is great").score);
    }

    #[test]
    fn scores_have_two_places() {
        let score = sentiment("The delivery was quick and the colour is lovely.").score;
        assert!((score * 100.0 - (score * 100.0).round()).abs() < 1e-9 && score > 0.0, "{score}");
    }
}
