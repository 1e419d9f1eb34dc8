// Answers in protobuf, read by a reader that knows nothing of schemas: lists, watches, metadata, errors,
// compression.
#include <gmock/gmock.h>

#include <map>

#include "api/protobuf.hpp"
#include "api/types_random.hpp"
#include "base/gzip.hpp"
#include "base/yaml.hpp"
#include "server/protobuf_forms.hpp"
#include "server/testing.hpp"

namespace server::testing {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kProtobuf = "application/vnd.kubernetes.protobuf";

// One message as a protobuf reader without a schema sees it.
struct Message {
  std::multimap<int, std::string> texts;
  std::multimap<int, uint64_t> numbers;

  explicit Message(std::string_view bytes) {
    while (!bytes.empty()) {
      const uint64_t tag = varint(bytes);
      if ((tag & 7) == 0) {
        numbers.emplace(tag >> 3, varint(bytes));
      } else {
        EXPECT_EQ(tag & 7, 2u);
        const uint64_t size = varint(bytes);
        EXPECT_LE(size, bytes.size());
        texts.emplace(tag >> 3, bytes.substr(0, size));
        bytes.remove_prefix(std::min<size_t>(size, bytes.size()));
      }
    }
  }
  std::string text(int field) const {
    auto found = texts.find(field);
    return found == texts.end() ? "" : found->second;
  }
  Message at(int field) const { return Message(text(field)); }

 private:
  static uint64_t varint(std::string_view& bytes) {
    uint64_t out = 0;
    for (int shift = 0; !bytes.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes[0]);
      bytes.remove_prefix(1);
      out |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return out;
  }
};

struct Envelope {
  std::string api_version, kind;
  Message object;
};

Envelope opened(std::string_view bytes) {
  EXPECT_TRUE(bytes.starts_with("k8s\0"s)) << bytes.substr(0, 100);
  Message unknown(bytes.substr(4));
  return {unknown.at(1).text(1), unknown.at(1).text(2), unknown.at(2)};
}

// The frames of a watch: type and object.
std::vector<std::pair<std::string, std::string>> frames(std::string_view bytes) {
  std::vector<std::pair<std::string, std::string>> out;
  while (bytes.size() >= 4) {
    size_t size = 0;
    for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(bytes[static_cast<size_t>(i)]);
    EXPECT_LE(size + 4, bytes.size());
    Message event(bytes.substr(4, size));
    out.emplace_back(event.text(1), event.at(2).text(1));
    bytes.remove_prefix(std::min(size + 4, bytes.size()));
  }
  EXPECT_TRUE(bytes.empty());
  return out;
}

class Wire : public ServerTest {
 protected:
  net::Headers accept(std::string types) { return {{"Accept", std::move(types)}}; }
  net::Headers protobuf() { return accept(kProtobuf + ",application/json"); }
  const api::Kind& kind(std::string_view name) { return *registry_.find_kind("v1", name); }
  void make_maps(int count, const std::string& value = "1") {
    for (int i = 0; i < count; ++i)
      ASSERT_EQ(
          call("POST", config_maps_, config_map_json("m" + std::to_string(i), R"({"app":"wire"})", value))
              .status,
          201);
  }
};

TEST_F(Wire, OneObjectInAllThreeEncodings) {
  auto made = call("POST", services_, service_json("s"), protobuf());
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.headers.get("Content-Type"), kProtobuf);
  auto json = call("GET", services_ + "/s").json;
  EXPECT_EQ(api::decode_protobuf(kind("Service"), made.text).value(), json);
  auto read = call("GET", services_ + "/s", "", protobuf());
  EXPECT_EQ(api::decode_protobuf(kind("Service"), read.text).value(), json);
  auto yaml = call("GET", services_ + "/s", "", accept("application/yaml"));
  EXPECT_EQ(yaml.headers.get("Content-Type"), "application/yaml");
  EXPECT_EQ(base::parse_yaml(yaml.text).value(), json);
  auto envelope = opened(read.text);
  EXPECT_EQ(envelope.api_version, "v1");
  EXPECT_EQ(envelope.kind, "Service");
  EXPECT_EQ(envelope.object.at(1).text(1), "s");
  net::Headers both = protobuf();
  both.add("Content-Type", "application/merge-patch+json");
  auto patched = call("PATCH", services_ + "/s", R"({"metadata":{"labels":{"a":"b"}}})", both);
  EXPECT_EQ(api::decode_protobuf(kind("Service"), patched.text).value(), call("GET", services_ + "/s").json);
  auto scale = call("GET", "/api/v1/namespaces/default/replicationcontrollers/none/scale", "", protobuf());
  EXPECT_EQ(opened(scale.text).kind, "Status");
  auto deleted = opened(call("DELETE", services_ + "/s", "", protobuf()).text);
  EXPECT_TRUE(deleted.kind == "Status" || deleted.kind == "Service") << deleted.kind;
}

TEST_F(Wire, ErrorsAreStatusInProtobuf) {
  auto reply = call("GET", services_ + "/none", "", protobuf());
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.headers.get("Content-Type"), kProtobuf);
  auto envelope = opened(reply.text);
  EXPECT_EQ(envelope.api_version, "v1");
  EXPECT_EQ(envelope.kind, "Status");
  EXPECT_EQ(envelope.object.text(2), "Failure");
  EXPECT_EQ(envelope.object.text(3), "services \"none\" not found");
  EXPECT_EQ(envelope.object.text(4), "NotFound");
  EXPECT_EQ(envelope.object.at(5).text(1), "none");
  EXPECT_EQ(envelope.object.numbers.find(6)->second, 404u);
}

TEST_F(Wire, ListsAreOneMessage) {
  make_maps(3);
  auto json = call("GET", config_maps_ + "?labelSelector=app%3Dwire&limit=2").json;
  auto reply = call("GET", config_maps_ + "?labelSelector=app%3Dwire&limit=2", "", protobuf());
  EXPECT_EQ(reply.headers.get("Content-Type"), kProtobuf);
  auto list = opened(reply.text);
  EXPECT_EQ(list.kind, "ConfigMapList");
  EXPECT_EQ(list.object.at(1).text(2), json.at({"metadata", "resourceVersion"}).as_string());
  EXPECT_EQ(list.object.at(1).text(3), json.at({"metadata", "continue"}).as_string());
  ASSERT_EQ(list.object.texts.count(2), 2u);
  size_t i = 0;
  for (auto [at, end] = list.object.texts.equal_range(2); at != end; ++at, ++i) {
    auto one = api::envelope_head("v1", "ConfigMap", at->second.size()) + at->second +
               std::string(api::envelope_tail());
    EXPECT_EQ(api::decode_protobuf(kind("ConfigMap"), one).value(), json["items"].as_array().at(i));
  }
  auto none = opened(call("GET", config_maps_ + "?labelSelector=app%3Dnothing", "", protobuf()).text);
  EXPECT_EQ(none.object.texts.count(2), 0u);
  EXPECT_EQ(none.object.texts.count(1), 1u);
}

TEST_F(Wire, MetadataAlone) {
  make_maps(2);
  for (std::string version : {"v1", "v1beta1"}) {
    const bool old = version == "v1beta1";
    auto as = ";g=meta.k8s.io;v=" + version;
    auto one = opened(
        call("GET", config_maps_ + "/m0", "", accept(kProtobuf + ";as=PartialObjectMetadata" + as)).text);
    EXPECT_EQ(one.api_version, "meta.k8s.io/" + version);
    EXPECT_EQ(one.kind, "PartialObjectMetadata");
    EXPECT_EQ(one.object.at(1).text(1), "m0");
    EXPECT_EQ(one.object.texts.size(), 1u);
    auto list = opened(call("GET", config_maps_ + "?labelSelector=app", "",
                            accept(kProtobuf + ";as=PartialObjectMetadataList" + as + ",application/json"))
                           .text);
    EXPECT_EQ(list.kind, "PartialObjectMetadataList");
    EXPECT_EQ(list.object.texts.count(old ? 1 : 2), 2u);
    EXPECT_EQ(Message(list.object.text(old ? 1 : 2)).at(1).text(1), "m0");
    EXPECT_NE(list.object.at(old ? 2 : 1).text(2), "");
  }
}

TEST_F(Wire, WatchesAreFrames) {
  make_maps(1);
  auto watch = begin("GET",
                     config_maps_ +
                         "?watch=1&labelSelector=app&sendInitialEvents=true&resourceVersionMatch="
                         "NotOlderThan&allowWatchBookmarks=true",
                     "", accept(kProtobuf + ";stream=watch," + kProtobuf));
  EXPECT_EQ(watch->headers().get("Content-Type"), kProtobuf + ";stream=watch");
  call("PUT", config_maps_ + "/m0", config_map_json("m0", R"({"app":"wire"})", "2"));
  auto last = call("DELETE", config_maps_ + "/m0");
  store_->submit([](store::Txn&) -> base::Result<void> { return {}; }, [](base::Result<store::Revision>) {});
  call("POST", config_maps_, config_map_json("unwatched"));
  auto events = frames(watch->body());
  ASSERT_EQ(events.size(), 4u);
  std::vector<std::string> types;
  for (const auto& [type, object] : events) types.push_back(type);
  EXPECT_EQ(types, (std::vector<std::string>{"ADDED", "BOOKMARK", "MODIFIED", "DELETED"}));
  for (const auto& [type, object] : events) EXPECT_EQ(opened(object).kind, "ConfigMap") << type;
  auto added = api::decode_protobuf(kind("ConfigMap"), events[0].second).value();
  EXPECT_EQ(added.at({"data", "key"}).as_string(), "1");
  EXPECT_EQ(added.at({"metadata", "name"}).as_string(), "m0");
  auto bookmark = api::decode_protobuf(kind("ConfigMap"), events[1].second).value();
  EXPECT_EQ(bookmark.at({"metadata", "annotations", "k8s.io/initial-events-end"}).as_string(), "true");
  auto changed = api::decode_protobuf(kind("ConfigMap"), events[2].second).value();
  EXPECT_EQ(changed.at({"data", "key"}).as_string(), "2");
}

TEST_F(Wire, WatchersOfOneEncodingShareTheirBytes) {
  auto one = begin("GET", config_maps_ + "?watch=1", "", accept(kProtobuf));
  auto two = begin("GET", config_maps_ + "?watch=1", "", accept(kProtobuf));
  auto json = begin("GET", config_maps_ + "?watch=1");
  auto partial = begin("GET", config_maps_ + "?watch=1", "",
                       accept(kProtobuf + ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"));
  call("POST", config_maps_, config_map_json("shared"));
  call("POST", config_maps_, config_map_json("later"));
  ASSERT_FALSE(one->chunks().empty());
  ASSERT_FALSE(two->chunks().empty());
  EXPECT_EQ(one->chunks().back(), two->chunks().back()) << "the same bytes, not equal ones";
  EXPECT_NE(one->chunks().back(), json->chunks().back());
  EXPECT_EQ(opened(frames(partial->body()).back().second).kind, "PartialObjectMetadata");
  EXPECT_THAT(json->body(), StartsWith("{\"type\":\"ADDED\""));
}

TEST_F(Wire, LargeAnswersAreCompressed) {
  make_maps(3, std::string(60'000, 'z'));
  for (std::string types : {"application/json"s, kProtobuf, "application/yaml"s}) {
    net::Headers headers = accept(types);
    auto plain = call("GET", config_maps_, "", headers);
    EXPECT_FALSE(plain.headers.has("Content-Encoding"));
    headers.add("Accept-Encoding", "gzip, deflate");
    auto packed = call("GET", config_maps_, "", headers);
    EXPECT_EQ(packed.headers.get("Content-Encoding"), "gzip");
    EXPECT_EQ(packed.headers.get("Content-Type"), types);
    EXPECT_THAT(packed.headers.all("Vary"), ::testing::Contains("Accept-Encoding"));
    EXPECT_LT(packed.text.size(), plain.text.size() / 10);
    EXPECT_EQ(base::gunzip(packed.text).value(), plain.text);
    auto one = call("GET", config_maps_ + "/m0", "", headers);
    EXPECT_FALSE(one.headers.has("Content-Encoding")) << "a small answer stays as it is";
  }
  auto watch = begin("GET", config_maps_ + "?watch=1", "", {{"Accept-Encoding", "gzip"}});
  EXPECT_FALSE(watch->headers().has("Content-Encoding"));
}

TEST_F(Wire, CustomKindsHaveOnlyTheirMetadataInProtobuf) {
  auto made = call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                   R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
                   "metadata":{"name":"toys.wire.example"},"spec":{"group":"wire.example","scope":"Namespaced",
                   "names":{"plural":"toys","kind":"Toy"},"versions":[{"name":"v1","served":true,"storage":true,
                   "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object",
                   "properties":{"size":{"type":"integer"}}}}}}}]}})",
                   protobuf());
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(opened(made.text).kind, "CustomResourceDefinition");
  const std::string toys = "/apis/wire.example/v1/namespaces/default/toys";
  const std::string toy =
      R"({"apiVersion":"wire.example/v1","kind":"Toy","metadata":{"name":"t"},"spec":{"size":3}})";
  auto answer = call("POST", toys, toy, protobuf());
  EXPECT_EQ(answer.status, 201) << answer.text;
  EXPECT_EQ(answer.headers.get("Content-Type"), "application/json") << "the next that the client takes";
  auto refused = call("GET", toys, "", accept(kProtobuf));
  EXPECT_EQ(refused.status, 406);
  EXPECT_EQ(opened(refused.text).object.text(3),
            "only the following media types are accepted: application/json, application/yaml");
  auto unread = call("POST", toys, "k8s\0"s, {{"Content-Type", kProtobuf}});
  EXPECT_EQ(unread.status, 415);
  EXPECT_EQ(unread.message(),
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml");
  auto list = opened(
      call("GET", toys, "", accept(kProtobuf + ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")).text);
  ASSERT_EQ(list.object.texts.count(2), 1u);
  EXPECT_EQ(list.object.at(2).at(1).text(1), "t");
  auto watch =
      begin("GET", toys + "?watch=1", "", accept(kProtobuf + ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"));
  auto events = frames(watch->body());
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(opened(events[0].second).object.at(1).text(1), "t");
}

// Every kind there is: a random object -> JSON -> protobuf -> JSON is the same, and so is the way over YAML.
TEST_F(Wire, EveryKindSurvivesEveryEncoding) {
  size_t kinds = 0;
  for (const auto& each : registry_.all()) {
    if (!api::has_protobuf(*each)) continue;
    ++kinds;
    for (unsigned seed = 11; seed <= 13; ++seed) {
      const auto value = api::RandomObject(seed).make(*each);
      const std::string json = base::write_json(value);
      const std::string bytes = protobuf_object(*each, {}, json);
      auto back = api::decode_protobuf(*each, bytes);
      ASSERT_TRUE(back) << each->kind << ": " << back.error().message;
      EXPECT_EQ(*back, value) << each->kind;
      auto yaml = base::parse_yaml(base::write_yaml(value));
      ASSERT_TRUE(yaml) << each->kind << ": " << yaml.error().message;
      EXPECT_EQ(*yaml, value) << each->kind;
      auto envelope = opened(bytes);
      EXPECT_EQ(envelope.kind, each->kind);
      EXPECT_EQ(envelope.api_version, each->api_version());
    }
  }
  EXPECT_GT(kinds, 15u);
}

TEST_F(Wire, EveryCollectionListsInProtobuf) {
  for (const auto& each : registry_.all()) {
    if (!each->stored || each->hidden || each->verbs.empty() || !api::has_protobuf(*each)) continue;
    const std::string root = (each->group.empty() ? "/api/" : "/apis/" + each->group + "/") + each->version;
    auto reply = call("GET", root + "/" + each->plural, "", protobuf());
    EXPECT_EQ(reply.status, 200) << root << " " << each->plural;
    EXPECT_EQ(reply.headers.get("Content-Type"), kProtobuf) << each->plural;
    auto list = opened(reply.text);
    EXPECT_EQ(list.kind, each->list_kind);
    EXPECT_EQ(list.api_version, each->api_version());
  }
}

}  // namespace
}  // namespace server::testing
