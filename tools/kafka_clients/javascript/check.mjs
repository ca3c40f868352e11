// What a program with kafkajs does with a broker: check.mjs ADDRESS prints a line for each part,
// `produce yes` or `produce no REASON`.

import kafkajs from "kafkajs";

const { Kafka, CompressionTypes, logLevel, Partitioners } = kafkajs;
const kafka = new Kafka({ brokers: [process.argv[2]], clientId: "check", logLevel: logLevel.ERROR });
const PARTITIONS = 3;
const RECORDS = 1000;
const CODECS = [CompressionTypes.None, CompressionTypes.GZIP]; // the others need further packages
const SECONDS = 60;

let failed = false;

async function part(name, body) {
  try {
    await body();
    console.log(name, "yes");
  } catch (error) {
    failed = true;
    console.log(name, "no", error.message);
  }
}

function require(is, what) {
  if (!is) throw new Error(what);
}

async function until(what, is) {
  const end = Date.now() + SECONDS * 1000;
  while (!is()) {
    require(Date.now() < end, `not in time: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function produce() {
  const to = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
  await to.connect();
  for (const codec of CODECS) {
    const messages = [];
    for (let i = 0; i < RECORDS; ++i) {
      messages.push({
        partition: i % PARTITIONS, key: `k${i}`, value: `${codec}:${i}`,
        timestamp: String(1e6 + i), headers: { h: `${codec}` },
      });
    }
    await to.send({ topic: "js", compression: codec, acks: -1, messages });
  }
  await to.disconnect();
}

// Runs a consumer until `is(seen)`; the messages it saw.
async function read(options, topic, is) {
  const from = kafka.consumer(options);
  await from.connect();
  await from.subscribe({ topics: [topic], fromBeginning: true });
  const seen = [];
  await from.run({ eachMessage: async ({ partition, message }) => seen.push({ partition, ...message }) });
  await until("messages", () => is(seen));
  await from.disconnect();
  return seen;
}

async function consume() {
  const total = CODECS.length * RECORDS;
  const seen = await read({ groupId: "js-read" }, "js", (all) => all.length >= total);
  const next = new Map();
  for (const one of seen) {
    require(Number(one.offset) === (next.get(one.partition) ?? 0), "order");
    next.set(one.partition, Number(one.offset) + 1);
    const [codec, number] = one.value.toString().split(":");
    require(one.headers.h.toString() === codec, "header");
    require(one.timestamp === String(1e6 + Number(number)), "timestamp");
    require(one.key.toString() === `k${number}`, "key");
  }
  require(new Set(seen.map((one) => one.value.toString())).size === total, "values");
}

async function group() {
  const assigned = [0, 0];
  const seen = new Set();
  const members = [];
  for (const index of [0, 1]) {
    const one = kafka.consumer({ groupId: "js-group", sessionTimeout: 10000, rebalanceTimeout: 10000 });
    one.on(one.events.GROUP_JOIN, ({ payload }) => {
      assigned[index] = (payload.memberAssignment.js ?? []).length;
    });
    await one.connect();
    await one.subscribe({ topics: ["js"], fromBeginning: true });
    await one.run({
      eachMessage: async ({ partition, message }) => seen.add(`${partition}/${message.offset}`),
    });
    members.push(one);
  }
  const total = CODECS.length * RECORDS;
  await until("both have partitions and all is read", () =>
    seen.size === total && assigned[0] > 0 && assigned[1] > 0 && assigned[0] + assigned[1] === PARTITIONS);
  await members[1].disconnect();
  await until("the one that stays has all partitions", () => assigned[0] === PARTITIONS);
  await members[0].disconnect();
  const admin = kafka.admin();
  await admin.connect();
  const [{ partitions }] = await admin.fetchOffsets({ groupId: "js-group", topics: ["js"] });
  const sum = partitions.reduce((all, one) => all + Number(one.offset), 0);
  require(sum === total, `committed ${sum} of ${total}`);
  await admin.disconnect();
}

async function transaction() {
  const options = { transactionalId: "js-transaction", idempotent: true, maxInFlightRequests: 1 };
  const to = kafka.producer(options);
  await to.connect();
  for (let i = 0; i < 6; ++i) {
    const one = await to.transaction();
    const value = i % 2 ? "dropped" : "kept";
    for (let k = 0; k < 10; ++k) await one.send({ topic: "js-out", messages: [{ value }] });
    const topics = [{ topic: "js", partitions: [{ partition: 0, offset: String(i + 1) }] }];
    await one.sendOffsets({ consumerGroupId: "js-eos", topics });
    if (i % 2) await one.abort();
    else await one.commit();
  }
  const old = await to.transaction();
  await old.send({ topic: "js-out", messages: [{ value: "zombie" }] });
  const next = kafka.producer(options);
  await next.connect();
  const last = await next.transaction();
  await last.send({ topic: "js-out", messages: [{ value: "kept" }] });
  await last.commit();
  let fenced = false;
  await old.commit().catch(() => (fenced = true));
  require(fenced, "the old incarnation committed");
  await next.disconnect();
  await to.disconnect();
  const seen = await read({ groupId: "js-committed" }, "js-out", (all) => all.length >= 31);
  require(seen.every((one) => one.value.toString() === "kept"), "read what was not committed");
  const admin = kafka.admin();
  await admin.connect();
  const [{ partitions }] = await admin.fetchOffsets({ groupId: "js-eos", topics: ["js"] });
  require(partitions[0].offset === "5", `the group's offset is ${partitions[0].offset}`);
  await admin.disconnect();
}

async function administrate() {
  const admin = kafka.admin();
  await admin.connect();
  const configEntries = [{ name: "retention.ms", value: "60000" }];
  require(await admin.createTopics({ topics: [{ topic: "js-a", numPartitions: 2, configEntries }] }), "made");
  require(!(await admin.createTopics({ topics: [{ topic: "js-a" }] })), "made twice");
  const resource = { type: 2, name: "js-a" };
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ ...resource, configEntries: [{ name: "retention.ms", value: "70000" }] }],
  });
  const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
  const retention = resources[0].configEntries.find((one) => one.configName === "retention.ms");
  require(retention.configValue === "70000", "configuration");
  await admin.createPartitions({ topicPartitions: [{ topic: "js-a", count: 4 }] });
  const { topics } = await admin.fetchTopicMetadata({ topics: ["js-a"] });
  require(topics[0].partitions.length === 4, "partitions");
  // kafkajs looks for the leader among topics that it has heard of, and this makes it hear of one.
  await admin.fetchTopicOffsets("js");
  await admin.deleteTopicRecords({ topic: "js", partitions: [{ partition: 0, offset: "100" }] });
  const offsets = await admin.fetchTopicOffsets("js");
  require(offsets.find((one) => one.partition === 0).low === "100", "begin after deleting records");
  const { groups } = await admin.listGroups();
  require(groups.some((one) => one.groupId === "js-group"), "list of groups");
  const described = await admin.describeGroups(["js-group"]);
  require(described.groups[0].state === "Empty", "state of the group");
  await admin.deleteGroups(["js-group"]);
  require((await admin.describeCluster()).brokers.length === 1, "brokers");
  await admin.deleteTopics({ topics: ["js-a"] });
  require(!(await admin.listTopics()).includes("js-a"), "deleted");
  await admin.disconnect();
}

const admin = kafka.admin();
await admin.connect();
await admin.createTopics({ topics: [{ topic: "js", numPartitions: PARTITIONS }, { topic: "js-out" }] });
await admin.disconnect();
await part("produce", produce);
await part("consume", consume);
await part("group", group);
await part("transaction", transaction);
await part("admin", administrate);
process.exit(failed ? 1 : 0);
