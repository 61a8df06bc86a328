//! Decimals: from the unscaled value's bytes to exact text.

/// The most decimal places, and the most digits that a column holds.
pub(crate) const MAX_SCALE: u32 = 38;

/// The number that big-endian two's complement bytes are; `None` beyond 128 bits. No bytes are zero.
pub(crate) fn unscaled(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let sign = if negative { 0xff } else { 0 };
    // Encoders may write more bytes of sign than needed.
    let spare = bytes.len().saturating_sub(16);
    let (head, tail) = bytes.split_at(spare);
    if head.iter().any(|byte| *byte != sign) {
        return None;
    }
    let mut wide = [sign; 16];
    wide[16 - tail.len()..].copy_from_slice(tail);
    let value = i128::from_be_bytes(wide);
    ((value < 0) == negative).then_some(value)
}

/// Writes the decimal of so many places.
///
/// # Errors
/// The scale is beyond [`MAX_SCALE`], or the value has more than 128 bits.
pub(crate) fn push_decimal(bytes: &[u8], scale: u32, out: &mut String) -> Result<(), String> {
    if scale > MAX_SCALE {
        return Err(format!("a decimal of {scale} places: no column holds more than {MAX_SCALE}"));
    }
    let value = unscaled(bytes).ok_or("a decimal of more than 38 digits: no column holds it")?;
    if value < 0 {
        out.push('-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs());
    let scale = scale as usize;
    if scale == 0 {
        out.push_str(digits);
        return Ok(());
    }
    let whole = digits.len().saturating_sub(scale);
    out.push_str(if whole == 0 { "0" } else { &digits[..whole] });
    out.push('.');
    for _ in digits.len()..scale {
        out.push('0');
    }
    out.push_str(&digits[whole..]);
    Ok(())
}

/// Writes an unscaled value with its scale; a negative scale is zeros before the point.
///
/// # Errors
/// As [`push_decimal`].
pub(crate) fn push_scaled(bytes: &[u8], scale: i64, out: &mut String) -> Result<(), String> {
    if let Ok(scale) = u32::try_from(scale) {
        return push_decimal(bytes, scale, out);
    }
    if scale < -i64::from(MAX_SCALE) {
        return Err(format!("a decimal with the scale {scale}: no column holds it"));
    }
    let start = out.len();
    push_decimal(bytes, 0, out)?;
    if &out[start..] != "0" {
        out.extend(std::iter::repeat_n('0', scale.unsigned_abs() as usize));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (bytes, scale, expected) in [
            (&[0x04, 0xe2][..], 2, "12.50"),
            (&[0xff], 2, "-0.01"),
            (&[], 2, "0.00"),
            (&[0], 0, "0"),
            (&[0x80], 0, "-128"),
            (&[0x00, 0x80], 0, "128"),
            (
                &[
                    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                    0xff, 0x80,
                ],
                3,
                "-0.128",
            ),
            (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7b], 1, "12.3"),
        ] {
            let mut text = String::new();
            push_decimal(bytes, scale, &mut text).expect("a decimal");
            assert_eq!(text, expected);
        }
        let digits = 99_999_999_999_999_999_999_999_999_999_999_999_999_i128;
        let mut text = String::new();
        push_decimal(&(-digits).to_be_bytes(), 38, &mut text).expect("a decimal");
        assert_eq!(text, "-0.99999999999999999999999999999999999999");
        // One bit more than 128, of either sign.
        let wide: Vec<u8> = [0].into_iter().chain([0xff; 16]).collect();
        let low: Vec<u8> = [0xff].into_iter().chain([0x7f; 16]).collect();
        for bytes in [&wide[..], &low[..], &[1; 1000][..]] {
            assert!(push_decimal(bytes, 0, &mut text).expect_err("too wide").contains("38 digits"));
        }
        assert!(push_decimal(&[1], 39, &mut text).expect_err("too many").contains("39 places"));
    }
}
