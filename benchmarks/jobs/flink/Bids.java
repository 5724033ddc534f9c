import java.util.Set;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.ProviderContext;
import org.apache.flink.table.connector.source.DataStreamScanProvider;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;

/** The table connector {@code bids}: the same bids as Weir's generator, in the planner's own rows, so nothing is converted. */
public class Bids implements DynamicTableSourceFactory {
    static final ConfigOption<Long> ROWS = ConfigOptions.key("rows").longType().noDefaultValue();
    static final ConfigOption<Long> AUCTIONS = ConfigOptions.key("auctions").longType().noDefaultValue();
    /** When the quarter and the last row were made: nanoseconds. */
    static volatile long began;
    static volatile long ended;

    @Override
    public String factoryIdentifier() {
        return "bids";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of(ROWS, AUCTIONS);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    @Override
    public DynamicTableSource createDynamicTableSource(Context context) {
        FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
        return new Table(helper.getOptions().get(ROWS), helper.getOptions().get(AUCTIONS));
    }

    static long mixed(long number) {
        long z = (number + 1) * 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    static class Make extends RichMapFunction<Long, RowData> {
        private static final StringData[] CHANNELS = new StringData[4];
        private static final StringData[] URLS = new StringData[64];
        private final long rows;
        private final long auctions;

        static {
            for (int i = 0; i < CHANNELS.length; i++) {
                CHANNELS[i] = StringData.fromString("channel-" + i);
            }
            for (int i = 0; i < URLS.length; i++) {
                URLS[i] = StringData.fromString("https://auctions.example/item/" + i);
            }
        }

        Make(long rows, long auctions) {
            this.rows = rows;
            this.auctions = auctions;
        }

        @Override
        public RowData map(Long number) {
            long n = number;
            if (n == rows / 4) {
                began = System.nanoTime();
            } else if (n == rows - 1) {
                ended = System.nanoTime();
            }
            long h = mixed(n);
            GenericRowData row = new GenericRowData(6);
            row.setField(0, 1000 + ((h >>> 33) * auctions >>> 31));
            row.setField(1, 1000 + ((h >>> 13 & 0xFFFFF) * 10_000 >>> 20));
            row.setField(2, 100 + (h & 0xFFF));
            row.setField(3, CHANNELS[(int) (h >>> 12 & 3)]);
            row.setField(4, URLS[(int) (h >>> 14 & 63)]);
            row.setField(5, TimestampData.fromEpochMillis(n / 10));
            return row;
        }
    }

    static class Table implements ScanTableSource {
        private final long rows;
        private final long auctions;

        Table(long rows, long auctions) {
            this.rows = rows;
            this.auctions = auctions;
        }

        @Override
        public ChangelogMode getChangelogMode() {
            return ChangelogMode.insertOnly();
        }

        @Override
        public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
            return new DataStreamScanProvider() {
                @Override
                public DataStream<RowData> produceDataStream(ProviderContext provider, StreamExecutionEnvironment env) {
                    return env.fromSource(
                                    new NumberSequenceSource(0, rows - 1), WatermarkStrategy.noWatermarks(), "bids")
                            .map(new Make(rows, auctions))
                            .returns(RowData.class);
                }

                @Override
                public boolean isBounded() {
                    return false;
                }
            };
        }

        @Override
        public DynamicTableSource copy() {
            return new Table(rows, auctions);
        }

        @Override
        public String asSummaryString() {
            return "bids";
        }
    }
}
