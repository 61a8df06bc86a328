package lakewright.stream;

import java.net.URI;
import java.util.Locale;

/** What this machine's tests name in place of what is configured: endpoints in clear, which are on loopback. */
final class Loopback {
    private Loopback() {}

    /** The value of a variable of the environment, which names brokers or a URL on loopback; null when it isn't set. */
    static String named(String variable) {
        return checked(variable, System.getenv(variable));
    }

    /** Refuses a value that names anything beyond loopback; null where it names nothing. */
    static String checked(String variable, String value) {
        if (value == null || value.isEmpty()) {
            return null;
        }
        for (String one : value.split(",")) {
            if (!isLoopback(one.contains("://") ? one : "kafka://" + one)) {
                throw new IllegalArgumentException(
                        variable + " names `" + one.trim() + "`, and in clear only this machine is asked");
            }
        }
        return value;
    }

    private static boolean isLoopback(String url) {
        try {
            String host = URI.create(url.trim()).getHost();
            String name = host == null ? "" : host.toLowerCase(Locale.ROOT);
            return name.equals("localhost") || name.endsWith(".localhost")
                    || name.matches("127(\\.[0-9]{1,3}){3}") || name.equals("[::1]");
        } catch (IllegalArgumentException error) {
            return false;
        }
    }
}
