//! The families of EC2 instance types, to distinguish a slip from a type and an old one from a new one, and their processors.

/// Every family, the part of a type before the dot, as EC2's API names them.
const FAMILIES: &str = "\
    a1 c1 c3 c4 c5 c5a c5ad c5d c5n c6a c6g c6gd c6gn c6i c6id c6in c7a c7g c7gd c7gn c7i c7i-flex c8a c8g c8gb \
    c8gd c8gn c8i c8i-flex c8ib c8id c8in c8ine c9g c9gd cc1 cc2 cg1 cr1 d2 d3 d3en dl1 dl2q f1 f2 g2 g3 g3s g4ad \
    g4dn g5 g5g g6 g6e g6f g7 g7e gr6 gr6f h1 hi1 hpc6a hpc6id hpc7a hpc7g hpc8a hs1 i2 i3 i3en i4g i4i i7i i7ie \
    i8g i8ge im4gn inf1 inf2 is4gen m1 m2 m3 m4 m5 m5a m5ad m5d m5dn m5n m5zn m6a m6g m6gd m6i m6id m6idn m6in m7a \
    m7g m7gd m7i m7i-flex m8a m8azn m8g m8gb m8gd m8gn m8i m8i-flex m8ib m8id m8idb m8idn m8in m8ine m9g m9gd \
    mac-m3ultra mac-m4 mac-m4max mac-m4pro mac1 mac2 mac2-m1ultra mac2-m2 mac2-m2pro p2 p3 p3dn p4d p4de p5 p5e \
    p5en p6-b200 p6-b300 p6e-gb200 r3 r4 r5 r5a r5ad r5b r5d r5dn r5n r6a r6g r6gd r6i r6id r6idn r6in r7a r7g \
    r7gd r7i r7iz r8a r8g r8gb r8gd r8gn r8i r8i-flex r8ib r8id r8idb r8idn r8in r9g r9gd t1 t2 t3 t3a t4g t8i \
    trn1 trn1n trn2 trn2u u-12tb1 u-18tb1 u-24tb1 u-3tb1 u-6tb1 u-9tb1 u7i-12tb u7i-6tb u7i-8tb u7ib-12tb \
    u7in-16tb u7in-24tb u7in-32tb u7inh-32tb vt1 x1 x1e x2gd x2idn x2iedn x2iezn x8aedz x8g x8i z1d";
/// Those that AWS calls previous generations: <https://aws.amazon.com/ec2/previous-generation/>
const PREVIOUS: &str = "c1 c3 c4 cc1 cc2 cg1 cr1 g2 g3 g3s hi1 hs1 i2 m1 m2 m3 m4 p2 r3 r4 t1";

fn family(instance_type: &str) -> &str {
    instance_type.split('.').next().unwrap_or_default()
}

/// Whether AWS has newer and cheaper types in place of this one.
pub fn is_previous(instance_type: &str) -> bool {
    PREVIOUS.split(' ').any(|known| known == family(instance_type))
}

/// The nearest family to one that isn't known; `None` for one that is.
pub fn unknown(instance_type: &str) -> Option<&'static str> {
    let family = family(instance_type);
    if instance_type.contains("${") || FAMILIES.split_whitespace().any(|known| known == family) {
        return None;
    }
    FAMILIES.split_whitespace().min_by_key(|known| strsim::damerau_levenshtein(known, family))
}

/// How many virtual processors an instance of that type has; 0 for families that other quotas count.
pub fn processors(instance_type: &str) -> f64 {
    let Some((family, size)) = instance_type.split_once('.') else { return 0.0 };
    let counted = !["inf", "trn", "mac", "dl", "hpc", "vt"].iter().any(|other| family.starts_with(other));
    if !counted || !family.starts_with(['a', 'c', 'd', 'h', 'i', 'm', 'r', 't', 'z']) {
        return 0.0;
    }
    let small = match family {
        "t2" if size == "medium" => 2.0,
        "t1" | "t2" => 1.0,
        family if family.starts_with('t') => 2.0,
        _ => 1.0,
    };
    let number = |text: &str| text.parse::<f64>().unwrap_or(1.0);
    match size {
        "nano" | "micro" | "small" | "medium" => small,
        "large" => 2.0,
        "xlarge" => 4.0,
        "metal" => 96.0,
        size => {
            match (size.strip_suffix("xlarge"), size.strip_prefix("metal-").and_then(|size| size.strip_suffix("xl"))) {
                (Some(times), _) | (_, Some(times)) => 4.0 * number(times),
                _ => 0.0,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_known_old_or_a_slip() {
        for old in PREVIOUS.split(' ') {
            assert_eq!(unknown(&format!("{old}.large")), None);
        }
        assert!(is_previous("m4.large") && !is_previous("m7g.large") && !is_previous("t3.small"));
        assert_eq!(unknown("m7g.large"), None);
        assert_eq!(unknown("m7ig.large").map(|near| &near[..2]), Some("m7"));
    }

    #[test]
    fn processors_follow_from_the_size() {
        for (instance_type, count) in [
            ("t3.nano", 2.0),
            ("t4g.medium", 2.0),
            ("t2.small", 1.0),
            ("t2.medium", 2.0),
            ("m7g.medium", 1.0),
            ("m7i.large", 2.0),
            ("c7g.xlarge", 4.0),
            ("r6g.16xlarge", 64.0),
            ("c7i.metal-24xl", 96.0),
            ("g5.xlarge", 0.0),
            ("inf2.xlarge", 0.0),
            ("p4d.24xlarge", 0.0),
        ] {
            assert!((processors(instance_type) - count).abs() < 1e-9, "{instance_type}");
        }
    }
}
