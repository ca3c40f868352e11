// What a program with sarama does with a broker: sarama ADDRESS.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"millrace/tools/kafka_clients/go/check"

	"github.com/IBM/sarama"
)

const (
	partitions      = 3
	recordsPerCodec = 1000
)

var codecs = []sarama.CompressionCodec{
	sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy,
	sarama.CompressionLZ4, sarama.CompressionZSTD,
}

var address []string

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V4_0_0_0
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	return config
}

func produce() error {
	for _, codec := range codecs {
		config := settings()
		config.Producer.Compression = codec
		to, err := sarama.NewSyncProducer(address, config)
		if err != nil {
			return err
		}
		var batch []*sarama.ProducerMessage
		for i := range recordsPerCodec {
			batch = append(batch, &sarama.ProducerMessage{
				Topic: "sarama", Partition: int32(i % partitions),
				Key:       sarama.StringEncoder(fmt.Sprintf("k%d", i)),
				Value:     sarama.StringEncoder(fmt.Sprintf("%v%d", codec, i)),
				Timestamp: time.UnixMilli(int64(1e6 + i)),
				Headers:   []sarama.RecordHeader{{Key: []byte("h"), Value: []byte(codec.String())}},
			})
		}
		err = to.SendMessages(batch)
		if closed := to.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("%v: %w", codec, err)
		}
	}
	return nil
}

func consume() error {
	from, err := sarama.NewConsumer(address, settings())
	if err != nil {
		return err
	}
	defer from.Close()
	values := map[string]bool{}
	limit := time.After(check.Seconds)
	for at := range int32(partitions) {
		one, err := from.ConsumePartition("sarama", at, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		for next := int64(0); next < one.HighWaterMarkOffset() || next == 0; next++ {
			select {
			case message := <-one.Messages():
				var number int64
				codec := string(message.Headers[0].Value)
				if _, err := fmt.Sscanf(string(message.Value[len(codec):]), "%d", &number); err != nil {
					return err
				}
				if message.Offset != next || message.Timestamp.UnixMilli() != 1e6+number ||
					string(message.Key) != fmt.Sprintf("k%d", number) {
					return fmt.Errorf("another record than was sent: %v", message)
				}
				values[string(message.Value)] = true
			case <-limit:
				return fmt.Errorf("nothing at %d/%d", at, next)
			}
		}
		if err := one.Close(); err != nil {
			return err
		}
	}
	if len(values) != len(codecs)*recordsPerCodec {
		return fmt.Errorf("%d different values", len(values))
	}
	return nil
}

// member is one consumer of a group: it counts what it gets.
type member struct {
	seen     *sync.Map
	count    *atomic.Int64
	assigned atomic.Int64
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.assigned.Store(int64(len(session.Claims()["sarama"])))
	return nil
}
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			key := fmt.Sprintf("%d/%d", message.Partition, message.Offset)
			if _, known := m.seen.LoadOrStore(key, true); !known {
				m.count.Add(1)
			}
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func group() error {
	seen, count := &sync.Map{}, &atomic.Int64{}
	var members []*member
	var ends []func() error
	for range 2 {
		of, err := sarama.NewConsumerGroup(address, "sarama-group", settings())
		if err != nil {
			return err
		}
		one := &member{seen: seen, count: count}
		members = append(members, one)
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			for ctx.Err() == nil {
				if err := of.Consume(ctx, []string{"sarama"}, one); err != nil {
					return
				}
			}
		}()
		ends = append(ends, func() error { cancel(); return of.Close() })
	}
	until := func(what string, is func() bool) error {
		for end := time.Now().Add(check.Seconds); !is(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				return errors.New("not in time: " + what)
			}
		}
		return nil
	}
	total := int64(len(codecs) * recordsPerCodec)
	if err := until("both have partitions and all is read", func() bool {
		first, second := members[0].assigned.Load(), members[1].assigned.Load()
		return count.Load() == total && first > 0 && second > 0 && first+second == partitions
	}); err != nil {
		return err
	}
	if err := ends[1](); err != nil {
		return err
	}
	if err := until("the one that stays has all partitions", func() bool {
		return members[0].assigned.Load() == partitions
	}); err != nil {
		return err
	}
	if err := ends[0](); err != nil {
		return err
	}
	admin, err := sarama.NewClusterAdmin(address, settings())
	if err != nil {
		return err
	}
	defer admin.Close()
	committed, err := admin.ListConsumerGroupOffsets("sarama-group", nil)
	if err != nil {
		return err
	}
	sum := int64(0)
	for at := range int32(partitions) {
		sum += committed.GetBlock("sarama", at).Offset
	}
	if sum != total {
		return fmt.Errorf("committed %d of %d", sum, total)
	}
	return nil
}

func transaction() error {
	config := settings()
	config.Producer.Transaction.ID = "sarama-transaction"
	config.Producer.Transaction.Retry.Backoff = 10 * time.Millisecond
	to, err := sarama.NewSyncProducer(address, config)
	if err != nil {
		return err
	}
	send := func(through sarama.SyncProducer, value string) error {
		_, _, err := through.SendMessage(&sarama.ProducerMessage{
			Topic: "sarama-out", Value: sarama.StringEncoder(value)})
		return err
	}
	for i := range 6 {
		if err := to.BeginTxn(); err != nil {
			return err
		}
		value := "kept"
		if i%2 == 1 {
			value = "dropped"
		}
		for range 10 {
			if err := send(to, value); err != nil {
				return err
			}
		}
		next := map[string][]*sarama.PartitionOffsetMetadata{
			"sarama": {{Partition: 0, Offset: int64(i + 1)}}}
		if err := to.AddOffsetsToTxn(next, "sarama-eos"); err != nil {
			return err
		}
		if value == "kept" {
			err = to.CommitTxn()
		} else {
			err = to.AbortTxn()
		}
		if err != nil {
			return err
		}
	}
	if err := to.BeginTxn(); err != nil {
		return err
	}
	if err := send(to, "zombie"); err != nil {
		return err
	}
	// The next incarnation aborts what the one before it has left open, and fences it.
	next, err := sarama.NewSyncProducer(address, config)
	if err != nil {
		return err
	}
	defer next.Close()
	if err := next.BeginTxn(); err != nil {
		return err
	}
	if err := send(next, "kept"); err != nil {
		return err
	}
	if err := next.CommitTxn(); err != nil {
		return err
	}
	if err := to.CommitTxn(); err == nil {
		return errors.New("the old incarnation committed")
	}
	_ = to.Close()
	config = settings()
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	from, err := sarama.NewConsumer(address, config)
	if err != nil {
		return err
	}
	defer from.Close()
	one, err := from.ConsumePartition("sarama-out", 0, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	for i := range 31 {
		select {
		case message := <-one.Messages():
			if string(message.Value) != "kept" {
				return fmt.Errorf("read %q, which was not committed", message.Value)
			}
		case <-time.After(check.Seconds):
			return fmt.Errorf("read %d records of 31", i)
		}
	}
	admin, err := sarama.NewClusterAdmin(address, settings())
	if err != nil {
		return err
	}
	defer admin.Close()
	committed, err := admin.ListConsumerGroupOffsets("sarama-eos", nil)
	if err != nil {
		return err
	}
	if at := committed.GetBlock("sarama", 0).Offset; at != 5 {
		return fmt.Errorf("the group's offset is %d", at)
	}
	return nil
}

func administrate() error {
	admin, err := sarama.NewClusterAdmin(address, settings())
	if err != nil {
		return err
	}
	defer admin.Close()
	retention, changed := "60000", "70000"
	if err := admin.CreateTopic("sarama-a", &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1,
		ConfigEntries: map[string]*string{"retention.ms": &retention}}, false); err != nil {
		return err
	}
	if err := admin.IncrementalAlterConfig(sarama.TopicResource, "sarama-a",
		map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {
			Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &changed}}, false); err != nil {
		return err
	}
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource,
		Name: "sarama-a", ConfigNames: []string{"retention.ms"}})
	if err != nil {
		return err
	}
	if len(entries) != 1 || entries[0].Value != changed {
		return fmt.Errorf("configuration %v", entries)
	}
	if err := admin.CreatePartitions("sarama-a", 4, nil, false); err != nil {
		return err
	}
	topics, err := admin.DescribeTopics([]string{"sarama-a"})
	if err != nil {
		return err
	}
	if len(topics[0].Partitions) != 4 {
		return fmt.Errorf("%d partitions", len(topics[0].Partitions))
	}
	if err := admin.DeleteRecords("sarama", map[int32]int64{0: 100}); err != nil {
		return err
	}
	if _, err := admin.ListConsumerGroups(); err != nil {
		return err
	}
	if err := admin.DeleteConsumerGroup("sarama-group"); err != nil {
		return err
	}
	if _, _, err := admin.DescribeCluster(); err != nil {
		return err
	}
	if _, err := admin.DescribeLogDirs([]int32{1}); err != nil {
		return err
	}
	return admin.DeleteTopic("sarama-a")
}

func main() {
	address = os.Args[1:2]
	admin, err := sarama.NewClusterAdmin(address, settings())
	check.Must(err)
	check.Must(admin.CreateTopic("sarama", &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false))
	check.Must(admin.CreateTopic("sarama-out", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false))
	check.Must(admin.Close())
	check.Part("produce", produce)
	check.Part("consume", consume)
	check.Part("group", group)
	check.Part("transaction", transaction)
	check.Part("admin", administrate)
	check.Exit()
}
