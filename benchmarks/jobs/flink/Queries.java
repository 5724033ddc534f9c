import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/** Flink SQL's side of the column benchmark: one query, twice in one JVM; the rate of the second run is written. */
public class Queries {
    private static final String WINDOWED = "SELECT %s FROM TABLE(%s(TABLE bids, DESCRIPTOR(ts), %s)) GROUP BY %s";
    private static final Map<String, String> QUERIES =
            Map.of(
                    "q0", "SELECT auction, bidder, price, channel, url, ts FROM bids",
                    "q1", "SELECT auction, bidder, price * 0.908E0, channel, url, ts FROM bids",
                    "q2", "SELECT auction, price FROM bids WHERE MOD(auction, 123) = 0",
                    "q5",
                            "SELECT window_end, MAX(num) FROM ("
                                    + String.format(
                                            WINDOWED,
                                            "auction, window_start, window_end, COUNT(*) AS num",
                                            "HOP",
                                            "INTERVAL '2' SECOND, INTERVAL '10' SECOND",
                                            "auction, window_start, window_end")
                                    + ") GROUP BY window_start, window_end",
                    "q7",
                            String.format(
                                    WINDOWED,
                                    "window_end, MAX(price)",
                                    "TUMBLE",
                                    "INTERVAL '10' SECOND",
                                    "window_start, window_end"),
                    "q12",
                            String.format(
                                    WINDOWED,
                                    "bidder, window_end, COUNT(*)",
                                    "TUMBLE",
                                    "INTERVAL '10' SECOND",
                                    "bidder, window_start, window_end"),
                    "sum", "SELECT auction, SUM(price) FROM bids GROUP BY auction");
    private static final Map<String, String> SINKS =
            Map.of(
                    "q0", "auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, ts TIMESTAMP_LTZ(3)",
                    "q1", "auction BIGINT, bidder BIGINT, price DOUBLE, channel STRING, url STRING, ts TIMESTAMP_LTZ(3)",
                    "q2", "auction BIGINT, price BIGINT",
                    "q5", "window_end TIMESTAMP(3), num BIGINT",
                    "q7", "window_end TIMESTAMP(3), price BIGINT",
                    "q12", "bidder BIGINT, window_end TIMESTAMP(3), num BIGINT",
                    "sum", "auction BIGINT, price BIGINT");

    public static void main(String[] arguments) throws Exception {
        long rows = Long.parseLong(arguments[0]);
        long auctions = Long.parseLong(arguments[1]);
        String query = arguments[2];
        double rate = 0;
        for (int turn = 0; turn < 2; turn++) {
            rate = run(query, rows, auctions, arguments[4]);
        }
        Files.writeString(Path.of(arguments[3]), "{\"rows\": " + rows + ", \"rate\": " + rate + "}");
    }

    private static double run(String query, long rows, long auctions, String checkpoints) throws Exception {
        Configuration settings = new Configuration();
        settings.setString("execution.checkpointing.dir", checkpoints);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1, settings);
        env.getConfig().enableObjectReuse();
        env.enableCheckpointing(1000);
        StreamTableEnvironment tables = StreamTableEnvironment.create(env);
        tables.getConfig().set("table.local-time-zone", "UTC");
        tables.executeSql(
                "CREATE TABLE bids (auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,"
                        + " ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'bids', 'rows' = '"
                        + rows
                        + "', 'auctions' = '"
                        + auctions
                        + "')");
        tables.executeSql("CREATE TABLE results (" + SINKS.get(query) + ") WITH ('connector' = 'blackhole')");
        tables.executeSql("INSERT INTO results " + QUERIES.get(query)).await();
        return (rows - rows / 4) / ((Bids.ended - Bids.began) / 1e9);
    }
}
