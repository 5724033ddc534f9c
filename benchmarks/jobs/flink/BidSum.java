import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;

/**
 * Flink's side of the benchmark of whole bids that change processes: each of two subtasks makes half of the bids, as plain objects with
 * Flink's own serializer, and sends them by auction to two that keep a sum of prices and give each bid on with it. The rate is that of the
 * bids made between a quarter of a subtask's and its last, added up over both.
 */
public class BidSum {
    public static class Bid {
        public long auction;
        public long bidder;
        public long price;
        public String channel;
        public String url;
        public long ts;
    }

    /** One of each pair for each subtask of the source: nanoseconds, and bids counted. */
    private static final long[] BEGAN = new long[2];

    private static final long[] ENDED = new long[2];
    private static final long[] COUNTED = new long[2];
    private static final AtomicInteger MAKERS = new AtomicInteger();

    public static class Make implements MapFunction<Long, Bid> {
        private static final String[] CHANNELS = new String[4];
        private static final String[] URLS = new String[64];
        private final long share;
        private final long auctions;
        private transient int maker;
        private transient long made;

        static {
            for (int i = 0; i < CHANNELS.length; i++) {
                CHANNELS[i] = "channel-" + i;
            }
            for (int i = 0; i < URLS.length; i++) {
                URLS[i] = "https://auctions.example/item/" + i;
            }
        }

        public Make(long share, long auctions) {
            this.share = share;
            this.auctions = auctions;
        }

        @Override
        public Bid map(Long number) {
            long n = number;
            if (made == 0) {
                maker = MAKERS.getAndIncrement() % 2;
            }
            made++;
            if (made == share / 4) {
                BEGAN[maker] = System.nanoTime();
            } else if (made == share) {
                ENDED[maker] = System.nanoTime();
                COUNTED[maker] = made - share / 4;
            }
            long h = Bids.mixed(n);
            Bid bid = new Bid();
            bid.auction = 1000 + ((h >>> 33) * auctions >>> 31);
            bid.bidder = 1000 + ((h >>> 13 & 0xFFFFF) * 10_000 >>> 20);
            bid.price = 100 + (h & 0xFFF);
            bid.channel = CHANNELS[(int) (h >>> 12 & 3)];
            bid.url = URLS[(int) (h >>> 14 & 63)];
            bid.ts = n / 10;
            return bid;
        }
    }

    public static class RunningSum extends KeyedProcessFunction<Long, Bid, Tuple2<Bid, Long>> {
        private transient ValueState<Long> total;

        @Override
        public void open(OpenContext context) {
            total = getRuntimeContext().getState(new ValueStateDescriptor<>("total", Types.LONG));
        }

        @Override
        public void processElement(Bid bid, Context context, Collector<Tuple2<Bid, Long>> out) throws Exception {
            Long before = total.value();
            long sum = (before == null ? 0 : before) + bid.price;
            total.update(sum);
            out.collect(Tuple2.of(bid, sum));
        }
    }

    public static void main(String[] arguments) throws Exception {
        long rows = Long.parseLong(arguments[0]);
        long auctions = Long.parseLong(arguments[1]);
        Configuration settings = new Configuration();
        settings.setString("execution.checkpointing.dir", arguments[4]);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(2, settings);
        env.getConfig().enableObjectReuse();
        env.enableCheckpointing(1000);
        env.fromSource(new NumberSequenceSource(0, rows - 1), WatermarkStrategy.noWatermarks(), "numbers")
                .map(new Make(rows / 2, auctions))
                .returns(TypeInformation.of(Bid.class))
                .keyBy(bid -> bid.auction, Types.LONG)
                .process(new RunningSum())
                .returns(new TypeHint<Tuple2<Bid, Long>>() {})
                .sinkTo(new DiscardingSink<>());
        env.execute("bid sum");
        if (COUNTED[0] == 0 || COUNTED[1] == 0) {
            throw new IllegalStateException("one subtask made all the bids: there is no rate of two");
        }
        double rate = COUNTED[0] / ((ENDED[0] - BEGAN[0]) / 1e9) + COUNTED[1] / ((ENDED[1] - BEGAN[1]) / 1e9);
        Files.writeString(Path.of(arguments[3]), "{\"rows\": " + rows + ", \"rate\": " + rate + "}");
    }
}
