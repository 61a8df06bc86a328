package lakewright.decoder;

import java.math.BigDecimal;
import java.math.BigInteger;

/** Numbers of JSON as integers, decimals and times: exact, or refused. */
final class Numbers {
    private static final BigInteger MOST = BigInteger.TWO.pow(127).subtract(BigInteger.ONE);
    /** No power of ten beyond this one is calculated with: a decimal has 38 digits at most. */
    private static final long MOST_POWER = 38;

    private Numbers() {}

    /** A number as it is written: the digits times ten to the power of the exponent. */
    private record Written(boolean negative, BigInteger digits, long exponent) {
        /** Null when the text is no number; the digits are null when they are too many. */
        static Written read(String text) {
            boolean negative = text.startsWith("-");
            String digits = negative ? text.substring(1) : text;
            long exponent = 0;
            int mark = Math.min(found(digits, 'e'), found(digits, 'E'));
            if (mark < digits.length()) {
                String power = digits.substring(mark + 1);
                // Java takes the digits of all scripts.
                if (power.chars().anyMatch(one -> one >= 0x80)) {
                    return null;
                }
                try {
                    exponent = Integer.parseInt(power);
                } catch (NumberFormatException error) {
                    return null;
                }
                digits = digits.substring(0, mark);
            }
            int point = found(digits, '.');
            String whole = digits.substring(0, point);
            String fraction = point < digits.length() ? digits.substring(point + 1) : "";
            if (whole.isEmpty() || (point < digits.length() && fraction.isEmpty())) {
                return null;
            }
            String all = whole + fraction;
            int zeros = 0;
            while (zeros < all.length() && all.charAt(zeros) == '0') {
                zeros++;
            }
            for (int index = zeros; index < all.length(); index++) {
                // The digits before one that is none may be too many already.
                if (index - zeros > 38 && isTooLong(all.substring(zeros, index))) {
                    return new Written(negative, null, 0);
                }
                if (all.charAt(index) < '0' || all.charAt(index) > '9') {
                    return null;
                }
            }
            BigInteger value = zeros == all.length() ? BigInteger.ZERO : new BigInteger(all.substring(zeros));
            value = value.compareTo(MOST) > 0 ? null : value;
            long power = Math.max(exponent - fraction.length(), Integer.MIN_VALUE);
            return new Written(negative, value, power);
        }

        private static boolean isTooLong(String digits) {
            return digits.length() > 39 || new BigInteger(digits).compareTo(MOST) > 0;
        }

        private static int found(String text, char wanted) {
            int at = text.indexOf(wanted);
            return at < 0 ? text.length() : at;
        }

        BigInteger signed(BigInteger value) {
            return negative ? value.negate() : value;
        }
    }

    /** A power of ten; null when it is beyond what is calculated with. */
    private static BigInteger power(long by) {
        return by > MOST_POWER ? null : BigInteger.TEN.pow((int) by);
    }

    /** A product; null when it is beyond what is calculated with. */
    private static BigInteger product(BigInteger value, BigInteger power) {
        BigInteger grown = power == null ? null : value.multiply(power);
        return grown == null || grown.compareTo(MOST) > 0 ? null : grown;
    }

    /** A quotient; null when something is left over. */
    private static BigInteger quotient(BigInteger value, BigInteger power) {
        if (power == null) {
            return null;
        }
        BigInteger[] both = value.divideAndRemainder(power);
        return both[1].signum() == 0 ? both[0] : null;
    }

    /** A whole number, {@code 3}, {@code 3.0} or {@code 3e0}; null for any other, and for one beyond 64 bits. */
    static Long integer(String text) {
        if (text.length() <= 18 && isPlain(text)) {
            return Long.parseLong(text);
        }
        Written written = Written.read(text);
        if (written == null || written.digits == null) {
            return null;
        }
        BigInteger value = written.digits;
        if (value.signum() != 0) {
            BigInteger power = power(Math.abs(written.exponent));
            value = written.exponent >= 0 ? product(value, power) : quotient(value, power);
        }
        value = value == null ? null : written.signed(value);
        return value == null || value.bitLength() > 63 ? null : (Long) value.longValue();
    }

    private static boolean isPlain(String text) {
        for (int index = 0; index < text.length(); index++) {
            char character = text.charAt(index);
            if ((character < '0' || character > '9') && (character != '-' || index > 0)) {
                return false;
            }
        }
        return true;
    }

    /** A decimal; exact, so digits beyond the scale must be zeros. */
    static BigDecimal decimal(String text, int precision, int scale) throws Misfit {
        Written written = Written.read(text);
        if (written == null) {
            throw new Misfit("`" + Text.shown(text) + "` is no decimal number");
        }
        String tooBig = Text.shown(text) + " doesn't fit decimal(" + precision + "," + scale + ")";
        BigInteger value = written.digits;
        if (value == null) {
            throw new Misfit(tooBig);
        }
        long shift = scale + written.exponent;
        if (value.signum() != 0 && shift > 0) {
            value = product(value, power(shift));
        } else if (value.signum() != 0 && shift < 0) {
            value = quotient(value, power(-shift));
            if (value == null) {
                throw new Misfit(Text.shown(text) + " has more than " + scale + " decimal places");
            }
        }
        if (value == null || value.compareTo(BigInteger.TEN.pow(precision)) >= 0) {
            throw new Misfit(tooBig);
        }
        return new BigDecimal(written.signed(value), scale);
    }

    /**
     * Microseconds of a number that counts a unit; digits beyond microseconds are cut off, as those of texts are. Null
     * when it is beyond 64 bits.
     */
    private static Long micros(String text, Unit unit) {
        Written written = Written.read(text);
        if (written == null || written.digits == null) {
            return null;
        }
        BigInteger value = written.signed(written.digits);
        long shift = written.exponent + unit.micros;
        if (value.signum() != 0 && shift >= 0) {
            BigInteger grown = product(written.digits, power(shift));
            value = grown == null ? null : written.signed(grown);
        } else if (value.signum() != 0) {
            BigInteger power = power(-shift);
            // Cut off is towards the past.
            value = power == null ? BigInteger.valueOf(Math.min(value.signum(), 0)) : floor(value, power);
        }
        return value == null || value.bitLength() > 63 ? null : (Long) value.longValue();
    }

    private static BigInteger floor(BigInteger value, BigInteger power) {
        BigInteger[] both = value.divideAndRemainder(power);
        return both[1].signum() < 0 ? both[0].subtract(BigInteger.ONE) : both[0];
    }

    /** Microseconds since 1970 of a number that counts a unit since then. */
    static long since1970(String text, Unit unit) throws Misfit {
        Long micros = micros(text, unit);
        if (micros == null || micros < Times.EARLIEST || micros > Times.LATEST) {
            String what = Text.shown(text) + " " + unit.word;
            throw new Misfit(what + " since 1970 are beyond the years 1 to 9999: is it another unit?");
        }
        return micros;
    }

    /** Microseconds since midnight of a number that counts a unit since then. */
    static long sinceMidnight(String text, Unit unit) throws Misfit {
        Long micros = micros(text, unit);
        if (micros == null || micros < 0 || micros >= Times.DAY) {
            throw new Misfit(Text.shown(text) + " " + unit.word + " since midnight are no time of day");
        }
        return micros;
    }
}
