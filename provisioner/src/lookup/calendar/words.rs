//! Words of dates in six languages, folded.

/// What a word of a date is. A word may be several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A month, from 1.
    Month(u32),
    /// A weekday, from 0 for Monday.
    Weekday(u32),
    /// A length of time.
    Unit(Unit),
    /// A length of time by itself: so many before this one.
    Relative(Unit, i32),
    /// The one before.
    Last,
    /// The one that goes on.
    This,
    /// From then on.
    Since,
    /// Up to the end of it.
    Until,
    /// Up to its begin.
    Before,
    /// From its end on.
    After,
    /// Two follow, joined by `And`.
    Between,
    /// Joins two.
    And,
    /// Two follow, joined by `To`.
    From,
    /// Joins two.
    To,
    /// So long before now, behind a number.
    Ago,
    /// The same before a number.
    AgoBefore,
    /// Says nothing.
    Filler,
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday on.
    Week,
    /// A month.
    Month,
    /// A quarter of a year.
    Quarter,
    /// A year.
    Year,
}

use Class::{
    After, Ago, AgoBefore, And, Before, Between, Filler, From, Last, Month, Relative, Since, This, To, Until, Weekday,
};

/// The words of each class, several words of one expression with spaces.
pub static WORDS: &[(Class, &[&str])] = &[
    (Month(1), &["january", "jan", "januar", "janner", "janvier", "enero", "januari"]),
    (Month(2), &["february", "feb", "februar", "fevrier", "febrero", "februari"]),
    (Month(3), &["march", "marz", "maerz", "mars", "marzo"]),
    (Month(4), &["april", "apr", "avril", "abril"]),
    (Month(5), &["may", "mai", "mayo", "maj"]),
    (Month(6), &["june", "jun", "juni", "juin", "junio"]),
    (Month(7), &["july", "jul", "juli", "juillet", "julio"]),
    (Month(8), &["august", "aug", "aout", "agosto", "augusti"]),
    (Month(9), &["september", "sept", "sep", "septembre", "septiembre", "setiembre"]),
    (Month(10), &["october", "oct", "oktober", "octobre", "octubre"]),
    (Month(11), &["november", "nov", "novembre", "noviembre"]),
    (Month(12), &["december", "dec", "dezember", "decembre", "diciembre"]),
    (Weekday(0), &["monday", "mondays", "montag", "montags", "lundi", "lunes", "mandag", "mandags", "月曜日", "月曜"]),
    (Weekday(1), &["tuesday", "tuesdays", "dienstag", "mardi", "martes", "tisdag", "tisdags", "火曜日", "火曜"]),
    (
        Weekday(2),
        &["wednesday", "wednesdays", "mittwoch", "mercredi", "miercoles", "onsdag", "onsdags", "水曜日", "水曜"],
    ),
    (Weekday(3), &["thursday", "thursdays", "donnerstag", "jeudi", "jueves", "torsdag", "torsdags", "木曜日", "木曜"]),
    (Weekday(4), &["friday", "fridays", "freitag", "vendredi", "viernes", "fredag", "fredags", "金曜日", "金曜"]),
    (
        Weekday(5),
        &["saturday", "saturdays", "samstag", "sonnabend", "samedi", "sabado", "lordag", "lordags", "土曜日", "土曜"],
    ),
    (Weekday(6), &["sunday", "sundays", "sonntag", "dimanche", "domingo", "sondag", "sondags", "日曜日", "日曜"]),
    (
        Class::Unit(Unit::Minute),
        &["minute", "minutes", "min", "minuten", "minuto", "minutos", "minut", "minuter", "minuterna", "分", "分間"],
    ),
    (
        Class::Unit(Unit::Hour),
        &[
            "hour", "hours", "h", "stunde", "stunden", "heure", "heures", "hora", "horas", "timme", "timmar", "timmen",
            "timmarna", "時間",
        ],
    ),
    (
        Class::Unit(Unit::Day),
        &[
            "day", "days", "tag", "tage", "tagen", "jour", "jours", "dia", "dias", "dag", "dagar", "dagen", "dagarna",
            "日", "日間",
        ],
    ),
    (
        Class::Unit(Unit::Week),
        &[
            "week", "weeks", "woche", "wochen", "semaine", "semaines", "semana", "semanas", "vecka", "veckan",
            "veckor", "veckorna", "週間", "週",
        ],
    ),
    (
        Class::Unit(Unit::Month),
        &[
            "month",
            "months",
            "monat",
            "monate",
            "monaten",
            "monats",
            "mois",
            "mes",
            "meses",
            "manad",
            "manaden",
            "manader",
            "manaderna",
            "か月",
            "ヶ月",
            "ヵ月",
        ],
    ),
    (
        Class::Unit(Unit::Quarter),
        &["quarter", "quarters", "quartal", "quartale", "trimestre", "trimestres", "kvartal", "kvartalet", "四半期"],
    ),
    (
        Class::Unit(Unit::Year),
        &[
            "year", "years", "jahr", "jahre", "jahren", "annee", "annees", "an", "ans", "ano", "anos", "ar", "aret",
            "aren", "年", "年間",
        ],
    ),
    (Relative(Unit::Day, 0), &["today", "heute", "aujourd'hui", "hoy", "idag", "i dag", "今日", "本日"]),
    (Relative(Unit::Day, -1), &["yesterday", "gestern", "hier", "ayer", "igar", "i gar", "昨日"]),
    (
        Relative(Unit::Day, -2),
        &[
            "the day before yesterday",
            "day before yesterday",
            "vorgestern",
            "avant-hier",
            "anteayer",
            "i forrgar",
            "forrgar",
            "一昨日",
            "おととい",
        ],
    ),
    (Relative(Unit::Week, 0), &["今週"]),
    (Relative(Unit::Week, -1), &["先週"]),
    (Relative(Unit::Week, -2), &["先々週"]),
    (Relative(Unit::Month, 0), &["今月"]),
    (Relative(Unit::Month, -1), &["先月"]),
    (Relative(Unit::Month, -2), &["先々月"]),
    (Relative(Unit::Year, 0), &["今年"]),
    (Relative(Unit::Year, -1), &["昨年", "去年", "i fjol", "ifjol"]),
    (Relative(Unit::Year, -2), &["一昨年"]),
    (
        Last,
        &[
            "last",
            "past",
            "previous",
            "letzte",
            "letzten",
            "letzter",
            "letztes",
            "letztem",
            "vergangene",
            "vergangenen",
            "vergangenes",
            "vorige",
            "vorigen",
            "voriges",
            "dernier",
            "derniers",
            "derniere",
            "dernieres",
            "passe",
            "passee",
            "pasado",
            "pasada",
            "pasados",
            "pasadas",
            "ultimo",
            "ultimos",
            "ultima",
            "ultimas",
            "forra",
            "senaste",
            "sista",
            "forrige",
            "過去",
            "直近",
        ],
    ),
    (
        This,
        &[
            "this", "current", "diese", "diesen", "dieser", "dieses", "diesem", "ce", "cet", "cette", "este", "esta",
            "denna", "detta", "den har", "det har",
        ],
    ),
    (
        Since,
        &["since", "seit", "depuis", "desde", "sedan", "alltsedan", "ab", "a partir de", "starting", "fran och med"],
    ),
    (
        Until,
        &[
            "until",
            "till",
            "til",
            "through",
            "up to",
            "bis",
            "bis zum",
            "jusqu'a",
            "jusqu'au",
            "jusqu'en",
            "hasta",
            "fram till",
            "till och med",
        ],
    ),
    (Before, &["before", "vor", "avant", "avant le", "antes de", "antes del", "fore", "innan", "earlier than"]),
    (After, &["after", "nach", "apres", "despues de", "despues del", "efter", "later than"]),
    (Between, &["between", "zwischen", "entre", "mellan"]),
    (And, &["and", "und", "et", "y", "och", "to", "bis", "a", "..", "と", "から"]),
    (From, &["from", "von", "vom", "du", "de", "desde", "del", "fran"]),
    (
        To,
        &[
            "to", "until", "till", "through", "bis", "bis zum", "au", "a", "jusqu'au", "jusqu'a", "al", "hasta",
            "hasta el", "..", "から",
        ],
    ),
    (Ago, &["ago", "earlier", "前"]),
    (AgoBefore, &["vor", "il y a", "hace", "for"]),
    (
        Filler,
        &[
            "the", "of", "in", "on", "during", "le", "la", "les", "el", "los", "las", "de", "del", "du", "den", "det",
            "dem", "der", "im", "am", "i", "en", "au", "under", "pa", "die",
        ],
    ),
];
