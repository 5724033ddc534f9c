import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;

/** Bids of about 100 bytes, keyed by auction, a running sum of their prices. Arguments as of KeyedSum. */
public class KeyedBids {
    private static final int DIFFERENT = 100_000;

    public static class Bid {
        public long auction;
        public long bidder;
        public long price;
        public String channel;
        public String url;
        public long dateTime;
        public String extra;

        public Bid() {}
    }

    /** The number of a bid to the bid; of so many different ones, as on Weir's side. */
    public static class Made extends RichMapFunction<Long, Bid> {
        private final int keys;
        private transient Bid[] bids;

        public Made(int keys) {
            this.keys = keys;
        }

        @Override
        public void open(OpenContext context) {
            bids = new Bid[DIFFERENT];
            for (int number = 0; number < DIFFERENT; number++) {
                Bid bid = new Bid();
                bid.auction = number % keys;
                bid.bidder = 1000 + number * 7 % 10_000;
                bid.price = 100 + number % 4096;
                bid.channel = "channel-" + number % 4;
                bid.url = "https://auctions.example/item/" + number % 64;
                bid.dateTime = 1_700_000_000_000L + number;
                bid.extra = String.format("%032x", number * 2_654_435_761L);
                bids[number] = bid;
            }
        }

        @Override
        public Bid map(Long number) {
            return bids[(int) (number % DIFFERENT)];
        }
    }

    public static class Total extends KeyedProcessFunction<Long, Bid, Long> {
        private transient ValueState<Long> total;

        @Override
        public void open(OpenContext context) {
            total = getRuntimeContext().getState(new ValueStateDescriptor<>("total", Types.LONG));
        }

        @Override
        public void processElement(Bid bid, Context context, Collector<Long> out) throws Exception {
            Long before = total.value();
            long sum = (before == null ? 0 : before) + bid.price;
            total.update(sum);
            out.collect(sum);
        }
    }

    /** Writes the rate after the first quarter. */
    public static class Meter extends RichMapFunction<Long, Long> {
        private final long rows;
        private final String result;
        private long seen;
        private long began;

        public Meter(long rows, String result) {
            this.rows = rows;
            this.result = result;
        }

        @Override
        public Long map(Long sum) throws Exception {
            seen++;
            if (seen == rows / 4) {
                began = System.nanoTime();
            } else if (seen == rows) {
                double rate = (rows - rows / 4) / ((System.nanoTime() - began) / 1e9);
                Files.writeString(Path.of(result), "{\"rows\": " + rows + ", \"rate\": " + rate + "}");
            }
            return sum;
        }
    }

    public static void main(String[] arguments) throws Exception {
        long rows = Long.parseLong(arguments[0]);
        Configuration settings = new Configuration();
        settings.setString("execution.checkpointing.dir", arguments[4]);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1, settings);
        env.getConfig().enableObjectReuse();
        env.enableCheckpointing(1000);
        env.fromSource(new NumberSequenceSource(0, rows - 1), WatermarkStrategy.noWatermarks(), "rows")
                .map(new Made(Integer.parseInt(arguments[1])))
                .keyBy(bid -> bid.auction)
                .process(new Total())
                .map(new Meter(rows, arguments[3]))
                .sinkTo(new DiscardingSink<>());
        env.execute("keyed bids");
    }
}
