// What a program with franz-go does with a broker: franz_go ADDRESS.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"millrace/tools/kafka_clients/go/check"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partitions      = 3
	recordsPerCodec = 1000
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

var address string

func client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(address))...)
}

func waiting() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), check.Seconds)
}

func produce() error {
	ctx, cancel := waiting()
	defer cancel()
	for name, codec := range codecs {
		to, err := client(kgo.ProducerBatchCompression(codec),
			kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			return err
		}
		for i := range recordsPerCodec {
			to.Produce(ctx, &kgo.Record{
				Topic: "franz", Partition: int32(i % partitions), Key: fmt.Appendf(nil, "k%d", i),
				Value: fmt.Appendf(nil, "%s%d", name, i), Timestamp: time.UnixMilli(int64(1e6 + i)),
				Headers: []kgo.RecordHeader{{Key: "h", Value: []byte(name)}},
			}, func(_ *kgo.Record, failure error) {
				if failure != nil {
					err = failure
				}
			})
		}
		if flushed := to.Flush(ctx); flushed != nil {
			err = flushed
		}
		to.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// read gives count records of the client, or what came within the time.
func read(ctx context.Context, from *kgo.Client, count int) ([]*kgo.Record, error) {
	var out []*kgo.Record
	for len(out) < count {
		fetches := from.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return out, fmt.Errorf("%d records of %d: %w", len(out), count, err)
		}
		if errs := fetches.Errors(); len(errs) > 0 {
			return out, errs[0].Err
		}
		out = append(out, fetches.Records()...)
	}
	return out, nil
}

func consume() error {
	ctx, cancel := waiting()
	defer cancel()
	starts := map[int32]kgo.Offset{}
	for i := range int32(partitions) {
		starts[i] = kgo.NewOffset().AtStart()
	}
	from, err := client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"franz": starts}))
	if err != nil {
		return err
	}
	defer from.Close()
	total := len(codecs) * recordsPerCodec
	records, err := read(ctx, from, total)
	if err != nil {
		return err
	}
	next := map[int32]int64{}
	values := map[string]bool{}
	for _, one := range records {
		if one.Offset != next[one.Partition] {
			return fmt.Errorf("offset %d instead of %d", one.Offset, next[one.Partition])
		}
		next[one.Partition]++
		var number int64
		codec := string(one.Headers[0].Value)
		if _, err := fmt.Sscanf(string(one.Value[len(codec):]), "%d", &number); err != nil {
			return err
		}
		if one.Timestamp.UnixMilli() != 1e6+number || string(one.Key) != fmt.Sprintf("k%d", number) {
			return fmt.Errorf("another record than was sent: %v", one)
		}
		values[string(one.Value)] = true
	}
	if len(values) != total {
		return fmt.Errorf("%d different values of %d", len(values), total)
	}
	return nil
}

func group() error {
	ctx, cancel := waiting()
	defer cancel()
	total := len(codecs) * recordsPerCodec
	member := func() (*kgo.Client, error) {
		return client(kgo.ConsumerGroup("franz-group"), kgo.ConsumeTopics("franz"),
			kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	}
	first, err := member()
	if err != nil {
		return err
	}
	records, err := read(ctx, first, total)
	if err != nil {
		return err
	}
	if err := first.CommitRecords(ctx, records...); err != nil {
		return err
	}
	second, err := member()
	if err != nil {
		return err
	}
	admin := kadm.NewClient(first)
	members := func(wanted int) error {
		for {
			described, err := admin.DescribeGroups(ctx, "franz-group")
			if err != nil {
				return err
			}
			// Both must poll, or they never hear of the rebalance.
			short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
			first.PollFetches(short)
			if wanted > 1 {
				second.PollFetches(short)
			}
			stop()
			of := described["franz-group"]
			assigned := 0
			for _, one := range of.Members {
				if plan, ok := one.Assigned.AsConsumer(); ok {
					for _, topic := range plan.Topics {
						assigned += len(topic.Partitions)
					}
				}
			}
			if of.State == "Stable" && len(of.Members) == wanted && assigned == partitions {
				return nil
			}
			if ctx.Err() != nil {
				return fmt.Errorf("not %d members: %v", wanted, of)
			}
		}
	}
	if err := members(2); err != nil {
		return err
	}
	second.Close()
	if err := members(1); err != nil {
		return err
	}
	lags, err := admin.Lag(ctx, "franz-group")
	if err != nil {
		return err
	}
	if lag := lags["franz-group"].Lag.Total(); lag != 0 {
		return fmt.Errorf("lag %d after committing all", lag)
	}
	first.Close()
	return nil
}

func transaction() error {
	ctx, cancel := waiting()
	defer cancel()
	to, err := client(kgo.TransactionalID("franz-transaction"), kgo.DefaultProduceTopic("franz-out"))
	if err != nil {
		return err
	}
	defer to.Close()
	for i := range 6 {
		if err := to.BeginTransaction(); err != nil {
			return err
		}
		verdict, value := kgo.TryCommit, "kept"
		if i%2 == 1 {
			verdict, value = kgo.TryAbort, "dropped"
		}
		for range 10 {
			if err := to.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
				return err
			}
		}
		if err := to.EndTransaction(ctx, verdict); err != nil {
			return err
		}
	}
	// An open one is not read, and its end by another incarnation fences this one.
	if err := to.BeginTransaction(); err != nil {
		return err
	}
	if err := to.ProduceSync(ctx, kgo.StringRecord("zombie")).FirstErr(); err != nil {
		return err
	}
	next, err := client(kgo.TransactionalID("franz-transaction"), kgo.DefaultProduceTopic("franz-out"))
	if err != nil {
		return err
	}
	defer next.Close()
	if err := next.BeginTransaction(); err != nil {
		return err
	}
	if err := next.ProduceSync(ctx, kgo.StringRecord("kept")).FirstErr(); err != nil {
		return err
	}
	if err := next.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	if err := to.EndTransaction(ctx, kgo.TryCommit); err == nil {
		return fmt.Errorf("the old incarnation committed")
	}
	from, err := client(kgo.ConsumeTopics("franz-out"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer from.Close()
	records, err := read(ctx, from, 31)
	if err != nil {
		return err
	}
	for _, one := range records {
		if string(one.Value) != "kept" {
			return fmt.Errorf("read %q, which was not committed", one.Value)
		}
	}
	state, err := kadm.NewClient(from).DescribeTransactions(ctx, "franz-transaction")
	if err != nil {
		return err
	}
	// The second protocol moves the epoch on with every transaction.
	if epoch := state["franz-transaction"].ProducerEpoch; epoch < 7 {
		return fmt.Errorf("epoch %d after 8 transactions", epoch)
	}
	return nil
}

func administrate() error {
	ctx, cancel := waiting()
	defer cancel()
	of, err := client()
	if err != nil {
		return err
	}
	defer of.Close()
	admin := kadm.NewClient(of)
	retention := "60000"
	made, err := admin.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": &retention}, "franz-a")
	if err != nil {
		return err
	}
	if _, err := admin.CreateTopic(ctx, 2, 1, nil, "franz-a"); err != kerr.TopicAlreadyExists {
		return fmt.Errorf("made twice: %v", err)
	}
	changed := "70000"
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "retention.ms", Value: &changed}}, "franz-a")
	if err != nil || altered[0].Err != nil {
		return fmt.Errorf("altering: %v %v", err, altered)
	}
	configs, err := admin.DescribeTopicConfigs(ctx, "franz-a")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(configs[0].Configs, func(one kadm.Config) bool {
		return one.Key == "retention.ms" && *one.Value == changed
	}) {
		return fmt.Errorf("retention.ms is not what it was set to")
	}
	if grown, err := admin.UpdatePartitions(ctx, 4, "franz-a"); err != nil || grown.Error() != nil {
		return fmt.Errorf("partitions: %v %v", err, grown.Error())
	}
	topics, err := admin.ListTopics(ctx, "franz-a")
	if err != nil {
		return err
	}
	if len(topics["franz-a"].Partitions) != 4 || topics["franz-a"].ID != made.ID {
		return fmt.Errorf("described as %v", topics["franz-a"])
	}
	ends, err := admin.ListEndOffsets(ctx, "franz")
	if err != nil {
		return err
	}
	sum := int64(0)
	ends.Each(func(one kadm.ListedOffset) { sum += one.Offset })
	if sum != int64(len(codecs)*recordsPerCodec) {
		return fmt.Errorf("ends add up to %d", sum)
	}
	cut := kadm.Offsets{}
	cut.AddOffset("franz", 0, 100, -1)
	if _, err := admin.DeleteRecords(ctx, cut); err != nil {
		return err
	}
	begins, err := admin.ListStartOffsets(ctx, "franz")
	if err != nil {
		return err
	}
	if one, _ := begins.Lookup("franz", 0); one.Offset != 100 {
		return fmt.Errorf("begins at %d after deleting records", one.Offset)
	}
	if _, err := admin.DeleteGroup(ctx, "franz-group"); err != nil {
		return err
	}
	_, err = admin.DeleteTopic(ctx, "franz-a")
	return err
}

func main() {
	address = os.Args[1]
	of, err := client()
	check.Must(err)
	_, err = kadm.NewClient(of).CreateTopic(context.Background(), partitions, 1, nil, "franz")
	check.Must(err)
	_, err = kadm.NewClient(of).CreateTopic(context.Background(), 1, 1, nil, "franz-out")
	check.Must(err)
	of.Close()
	check.Part("produce", produce)
	check.Part("consume", consume)
	check.Part("group", group)
	check.Part("transaction", transaction)
	check.Part("admin", administrate)
	check.Exit()
}
