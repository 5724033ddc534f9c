import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;

/** Flink's side of the keyed-process benchmark: source, map, keyBy, keyed process or reduce, count. Arguments as on Weir's side. */
public class KeyedSum {
    public static class RunningSum extends KeyedProcessFunction<Integer, Tuple2<Integer, Long>, Tuple2<Integer, Long>> {
        private transient ValueState<Long> total;

        @Override
        public void open(OpenContext context) {
            total = getRuntimeContext().getState(new ValueStateDescriptor<>("total", Types.LONG));
        }

        @Override
        public void processElement(Tuple2<Integer, Long> row, Context context, Collector<Tuple2<Integer, Long>> out)
                throws Exception {
            Long before = total.value();
            long sum = (before == null ? 0 : before) + row.f1;
            total.update(sum);
            out.collect(Tuple2.of(row.f0, sum));
        }
    }

    /** Writes the rate after the first quarter, so that start-up and the warming of the JVM do not count. */
    public static class Meter extends RichMapFunction<Tuple2<Integer, Long>, Tuple2<Integer, Long>> {
        private final long rows;
        private final String result;
        private long seen;
        private long began;

        public Meter(long rows, String result) {
            this.rows = rows;
            this.result = result;
        }

        @Override
        public Tuple2<Integer, Long> map(Tuple2<Integer, Long> row) throws Exception {
            seen++;
            if (seen == rows / 4) {
                began = System.nanoTime();
            } else if (seen == rows) {
                double rate = (rows - rows / 4) / ((System.nanoTime() - began) / 1e9);
                Files.writeString(Path.of(result), "{\"rows\": " + rows + ", \"rate\": " + rate + "}");
            }
            return row;
        }
    }

    public static void main(String[] arguments) throws Exception {
        long rows = Long.parseLong(arguments[0]);
        int keys = Integer.parseInt(arguments[1]);
        String variant = arguments[2];
        Configuration settings = new Configuration();
        settings.setString("execution.checkpointing.dir", arguments[4]);
        if (variant.startsWith("rocksdb-")) { // and the megabytes of memory
            settings.setString("state.backend.type", "rocksdb");
            settings.setString("execution.checkpointing.incremental", "true");
            settings.setString("taskmanager.memory.managed.size", variant.substring(8) + "mb");
        }
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1, settings);
        env.getConfig().enableObjectReuse();
        env.enableCheckpointing(1000);
        KeyedStream<Tuple2<Integer, Long>, Integer> keyed =
                env.fromSource(new NumberSequenceSource(0, rows - 1), WatermarkStrategy.noWatermarks(), "rows")
                        .map(row -> Tuple2.of((int) (row % keys), row + 1))
                        .returns(new TypeHint<Tuple2<Integer, Long>>() {})
                        .keyBy(row -> row.f0);
        SingleOutputStreamOperator<Tuple2<Integer, Long>> sums =
                variant.equals("reduce")
                        ? keyed.reduce((left, right) -> Tuple2.of(left.f0, left.f1 + right.f1))
                        : keyed.process(new RunningSum());
        sums.returns(new TypeHint<Tuple2<Integer, Long>>() {})
                .map(new Meter(rows, arguments[3]))
                .returns(new TypeHint<Tuple2<Integer, Long>>() {})
                .sinkTo(new DiscardingSink<>());
        env.execute("keyed sum");
    }
}
