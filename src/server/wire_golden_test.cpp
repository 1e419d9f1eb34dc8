// Bad bodies and bad wishes, and what a Kubernetes API server answers: status code, reason and the form of
// the message. The rows are numbered as in the list of bad inputs: H for HTTP, J for JSON and YAML, P for
// protobuf.
#include <gmock/gmock.h>

#include "api/protobuf.hpp"
#include "base/yaml.hpp"
#include "server/testing.hpp"

namespace server::testing {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

struct Row {
  const char* number;
  std::string method, url, body;
  net::Headers headers;
  int status;
  std::string reason;   // "" for a success
  std::string message;  // how it begins
};

const std::string kMaps = "/api/v1/namespaces/default/configmaps";
const std::string kServices = "/api/v1/namespaces/default/services";
const std::string kPods = "/api/v1/namespaces/default/pods";
const std::string kTypes = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const std::string kUnknownFormat =
    "the body of the request was in an unknown format - accepted media types include: ";
const std::string kProtobuf = "application/vnd.kubernetes.protobuf";

net::Headers type(std::string content_type) { return {{"Content-Type", std::move(content_type)}}; }
net::Headers accept(std::string types) { return {{"Accept", std::move(types)}}; }

// A ConfigMap with these members beside its type.
std::string map_with(std::string_view rest) {
  return R"({"apiVersion":"v1","kind":"ConfigMap",)" + std::string(rest) + "}";
}
std::string unrecognized(std::string_view kind) {
  return "the object provided is unrecognized (must be of type " + std::string(kind) + "): ";
}
std::string nested(size_t depth) {
  return map_with(R"("metadata":{"name":"deep"},"x":)" + std::string(depth, '[') + std::string(depth, ']'));
}
std::string service_port(std::string_view port) {
  return R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{"port":)" +
         std::string(port) + "}]}}";
}
std::string alias_bomb() {
  std::string out = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    out += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 9; ++k) out += "," + before;
    out += "]\n";
  }
  return out;
}

class WireGolden : public ServerTest {
 protected:
  void check(const std::vector<Row>& rows) {
    for (const auto& row : rows) {
      SCOPED_TRACE(std::string(row.number) + " " + row.method + " " + row.url + " " +
                   row.body.substr(0, 200));
      auto reply = call(row.method, row.url, row.body, row.headers);
      EXPECT_EQ(reply.status, row.status) << reply.text.substr(0, 500);
      if (row.reason.empty()) continue;
      EXPECT_EQ(reply.json["kind"].as_string(), "Status");
      EXPECT_EQ(reply.json["apiVersion"].as_string(), "v1");
      EXPECT_EQ(reply.json["status"].as_string(), "Failure");
      EXPECT_EQ(reply.json["code"].int_or(0), row.status);
      EXPECT_EQ(reply.reason(), row.reason);
      EXPECT_THAT(std::string(reply.message()), StartsWith(row.message));
    }
  }
};

TEST_F(WireGolden, MediaTypes) {
  const std::string not_acceptable = "only the following media types are accepted: " + kTypes;
  check({
      {"H4", "GET", kMaps, "", accept("text/html"), 406, "NotAcceptable", not_acceptable},
      {"H4", "GET", kMaps + "/kube-root-ca.crt", "", accept("image/png"), 406, "NotAcceptable",
       not_acceptable},
      {"H4", "POST", kMaps, config_map_json("h4"), accept("text/plain"), 406, "NotAcceptable",
       not_acceptable},
      {"H4", "GET", kMaps + "?watch=1", "", accept("text/html"), 406, "NotAcceptable",
       "only the following media types are accepted: application/json;stream=watch, "
       "application/vnd.kubernetes.protobuf;stream=watch"},
      {"H4", "GET", "/api/v1", "", accept("text/html"), 406, "NotAcceptable",
       "only the following media types are accepted: application/json, application/yaml"},
      {"H5", "GET", kMaps, "", accept(kProtobuf + ";as=Table;g=meta.k8s.io;v=v1"), 406, "NotAcceptable",
       "only the following media types are accepted when converting to Table: application/json, "
       "application/yaml"},
      {"H5", "GET", kMaps, "", accept("application/json;as=Table;g=meta.k8s.io;v=v2"), 406, "NotAcceptable",
       "only the following media types are accepted when converting to Table: "},
      {"H6", "POST", kMaps, "hello", type("text/plain"), 415, "UnsupportedMediaType",
       kUnknownFormat + kTypes},
      {"H6", "PUT", kMaps + "/x", "hello", type("application/xml"), 415, "UnsupportedMediaType",
       kUnknownFormat + kTypes},
      {"H6", "POST", kMaps, "{}", type(";;;"), 415, "UnsupportedMediaType", kUnknownFormat + kTypes},
      {"H6", "POST", kMaps, "{}", type("application/json; broken"), 415, "UnsupportedMediaType",
       kUnknownFormat + kTypes},
      {"H7", "PATCH", kMaps + "/x", "{}", type("application/json"), 415, "UnsupportedMediaType",
       kUnknownFormat + "application/json-patch+json, application/merge-patch+json, "
                        "application/strategic-merge-patch+json"},
      {"H7", "PATCH", kMaps + "/x", "{}", {}, 415, "UnsupportedMediaType", kUnknownFormat},
      {"H8",
       "POST",
       kMaps,
       std::string((3u << 20) + 1, ' '),
       {},
       413,
       "RequestEntityTooLarge",
       "Request entity too large: limit is 3145728"},
      {"-", "POST", kMaps, config_map_json("utf8"), type("application/json; charset=utf-8"), 201, "", ""},
      {"-", "POST", kMaps, config_map_json("no-type"), {}, 201, "", ""},
  });
}

// J1. A typed endpoint knows from its URL what a body without kind or apiVersion is; it is refused only where
// validation misses something. Upstream's decoders get the kind of the URL as their default in the same way.
TEST_F(WireGolden, EmptyAndAlmostEmptyBodies) {
  const std::string no_json = "couldn't get version/kind; json parse error: ";
  const std::string no_name =
      "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required";
  check({
      {"J1", "POST", kMaps, "", {}, 400, "BadRequest", unrecognized("ConfigMap") + no_json},
      {"J1", "POST", kMaps, "null", {}, 422, "Invalid", no_name},
      {"J1", "POST", kMaps, "{}", {}, 422, "Invalid", no_name},
      {"J1",
       "POST",
       kMaps,
       "[]",
       {},
       400,
       "BadRequest",
       unrecognized("ConfigMap") + no_json + "json: cannot unmarshal array into Go value of type struct {"},
      {"J1",
       "POST",
       kMaps,
       "\"x\"",
       {},
       400,
       "BadRequest",
       unrecognized("ConfigMap") + no_json + "json: cannot unmarshal string into Go value of type struct {"},
      {"J1",
       "POST",
       kMaps,
       "7",
       {},
       400,
       "BadRequest",
       unrecognized("ConfigMap") + no_json + "json: cannot unmarshal number into Go value of type struct {"},
      {"J1", "POST", kMaps, R"({"metadata":{"name":"typeless"}})", {}, 201, "", ""},
      {"J2",
       "POST",
       kMaps,
       R"({"kind":"X","apiVersion":"v1"})",
       {},
       400,
       "BadRequest",
       "X in version \"v1\" cannot be handled as a ConfigMap: no kind \"X\" is registered for version \"v1\" "
       "in scheme "},
      {"J2",
       "POST",
       kMaps,
       R"({"kind":"ConfigMap","apiVersion":"v9"})",
       {},
       400,
       "BadRequest",
       "ConfigMap in version \"v9\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered "
       "for version "
       "\"v9\" in scheme "},
      {"J2",
       "POST",
       kMaps,
       R"({"kind":"Secret","apiVersion":"v1"})",
       {},
       400,
       "BadRequest",
       "Secret in version \"v1\" cannot be handled as a ConfigMap: "},
      {"J2",
       "POST",
       kMaps,
       R"({"kind":7,"apiVersion":"v1"})",
       {},
       400,
       "BadRequest",
       unrecognized("ConfigMap") + no_json +
           "json: cannot unmarshal number into Go struct field .kind of type string"},
  });
}

TEST_F(WireGolden, UnknownAndDoubleFields) {
  const std::string odd =
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"NAME"},"spec":{"x":1,"ports":[{"port":80}]}})";
  auto named = [&](std::string_view name) { return std::string(odd).replace(odd.find("NAME"), 4, name); };
  auto warned = call("POST", kServices, named("warn"));
  EXPECT_EQ(warned.status, 201);
  EXPECT_EQ(warned.headers.get("Warning"), R"(299 - "unknown field \"spec.x\"")");
  auto ignored = call("POST", kServices + "?fieldValidation=Ignore", named("ignore"));
  EXPECT_EQ(ignored.status, 201);
  EXPECT_FALSE(ignored.headers.has("Warning"));
  const std::string twice =
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","name":"twice"}})";
  auto doubled = call("POST", kMaps, twice);
  EXPECT_EQ(doubled.status, 201);
  EXPECT_EQ(doubled.json.at({"metadata", "name"}).as_string(), "twice") << "the last one wins";
  EXPECT_EQ(doubled.headers.get("Warning"), R"(299 - "duplicate field \"metadata.name\"")");
  check({
      {"J3",
       "POST",
       kServices + "?fieldValidation=Strict",
       named("strict"),
       {},
       400,
       "BadRequest",
       "Service in version \"v1\" cannot be handled as a Service: strict decoding error: unknown field "
       "\"spec.x\""},
      {"J4",
       "POST",
       kMaps + "?fieldValidation=Strict",
       twice,
       {},
       400,
       "BadRequest",
       "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: duplicate field "
       "\"metadata.name\""},
      {"J4", "POST", kMaps, "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: a\n  name: b\n",
       type("application/yaml"), 400, "BadRequest", unrecognized("ConfigMap")},
  });
}

TEST_F(WireGolden, NumbersAndTexts) {
  const std::string wrong =
      "Service in version \"v1\" cannot be handled as a Service: json: cannot unmarshal number ";
  const std::string no_json = unrecognized("Service") + "couldn't get version/kind; json parse error: ";
  const std::string no_map = unrecognized("ConfigMap") + "couldn't get version/kind; json parse error: ";
  check({
      {"J5", "POST", kMaps, nested(10'001), {}, 400, "BadRequest", no_map},
      {"J5", "POST", kMaps, nested(100'000), {}, 400, "BadRequest", no_map},
      {"J5", "POST", kMaps, std::string(1'000'000, '['), {}, 400, "BadRequest", no_map},
      {"J6", "POST", kServices, service_port("9223372036854775808"), {}, 400, "BadRequest", wrong},
      {"J6",
       "POST",
       kServices,
       service_port("2147483648"),
       {},
       400,
       "BadRequest",
       wrong + "2147483648 into Go struct"},
      {"J6", "POST", kServices, service_port("1e400"), {}, 400, "BadRequest", wrong},
      {"J6", "POST", kServices, service_port("1.5"), {}, 400, "BadRequest", wrong},
      {"J6",
       "POST",
       kServices,
       service_port("\"80\""),
       {},
       400,
       "BadRequest",
       "Service in version \"v1\" cannot be handled as a Service: json: cannot unmarshal string into Go "
       "struct field "},
      {"J6", "POST", kServices, service_port("NaN"), {}, 400, "BadRequest", no_json},
      {"J6", "POST", kServices, service_port("01"), {}, 400, "BadRequest", no_json},
      {"J6", "POST", kServices, service_port("+1"), {}, 400, "BadRequest", no_json},
      {"J6",
       "POST",
       kServices,
       service_port("65536"),
       {},
       422,
       "Invalid",
       "Service \"s\" is invalid: [spec.ports[0].port: Invalid value: 65536: must be between 1 and 65535, "
       "inclusive, "},
      {"J6", "POST", kServices, service_port("-0"), {}, 422, "Invalid", "Service \"s\" is invalid: "},
      {"J7",
       "POST",
       kMaps,
       map_with("\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"\xff\xfe\"}"),
       {},
       400,
       "BadRequest",
       no_map},
      {"J7", "POST", kMaps, "\xef\xbb\xbf" + config_map_json("bom"), {}, 400, "BadRequest", no_map},
      {"J7",
       "POST",
       kMaps,
       map_with(R"("metadata":{"name":"lone"},"data":{"k":"a\ud800b"})"),
       {},
       400,
       "BadRequest",
       no_map},
      {"J7", "POST", kMaps, map_with("\"metadata\":{\"name\":\"a\0b\"}"s), {}, 400, "BadRequest", no_map},
      {"J7",
       "POST",
       kMaps,
       map_with(R"("metadata":{"name":"a\u0000b"})"),
       {},
       422,
       "Invalid",
       "ConfigMap \"a"},
      {"J9", "POST", kMaps, config_map_json("trail") + "{}", {}, 400, "BadRequest", no_map},
      {"J9", "POST", kMaps, config_map_json("trail") + "x", {}, 400, "BadRequest", no_map},
      {"J9", "POST", kMaps, config_map_json("trail") + " \n", {}, 201, "", ""},
      {"J9", "POST", kMaps, R"({"metadata":{"name":"cut)", {}, 400, "BadRequest", no_map},
  });
}

TEST_F(WireGolden, Yaml) {
  const std::string head = "apiVersion: v1\nkind: ConfigMap\n";
  const std::string no_yaml = unrecognized("ConfigMap") + "error converting YAML to JSON: ";
  check({
      {"J8", "POST", kMaps, alias_bomb(), type("application/yaml"), 400, "BadRequest", no_yaml},
      {"J8", "POST", kMaps, head + "metadata:\n\tname: tab\n", type("application/yaml"), 400, "BadRequest",
       no_yaml},
      {"J8", "POST", kMaps, head + "metadata: {name: py}\ndata: {k: !!python/object:os.system x}\n",
       type("application/yaml"), 201, "", ""},  // no tag makes anything but a value: this one is the text x
      {"J8", "POST", kMaps, head + "metadata: {name: [open\n", type("application/yaml"), 400, "BadRequest",
       no_yaml},
      {"J8", "POST", kMaps, head + "metadata: {name: yes-is-a-bool}\ndata: {k: yes}\n",
       type("application/yaml"), 400, "BadRequest",
       "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal bool into "},
      {"J8", "POST", kMaps, "%YAML 1.1\n---\n" + head + "metadata: {name: directive}\n",
       type("application/yaml"), 201, "", ""},
      {"J8", "POST", kMaps, "base: &b {k: v}\n" + head + "metadata: {name: merged}\ndata:\n  <<: *b\n",
       type("application/yaml"), 201, "", ""},
  });
  EXPECT_EQ(call("GET", kMaps + "/merged").json.at({"data", "k"}).as_string(), "v");
}

TEST_F(WireGolden, LimitsOfMetadata) {
  const std::string big = std::string(256u << 10, 'x');
  check({
      {"J11",
       "POST",
       kMaps,
       map_with(R"("metadata":{"name":"a","annotations":{"k":")" + big + R"("}})"),
       {},
       422,
       "Invalid",
       "ConfigMap \"a\" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes"},
      {"J11",
       "POST",
       kMaps,
       map_with(R"("metadata":{"name":"a","labels":{"k":")" + std::string(64, 'x') + R"("}})"),
       {},
       422,
       "Invalid",
       "ConfigMap \"a\" is invalid: metadata.labels: Invalid value: \"" + std::string(64, 'x')},
      {"J11",
       "POST",
       kMaps,
       map_with(R"("metadata":{"name":"a","labels":{"k":"a b"}})"),
       {},
       422,
       "Invalid",
       "ConfigMap \"a\" is invalid: metadata.labels: Invalid value: \"a b\": a valid label must be an empty "
       "string or "},
  });
}

TEST_F(WireGolden, OwnersAndManagers) {
  check({
      // Of a write that is no apply, upstream forgets managers that it cannot read.
      {"J10",
       "POST",
       kMaps,
       map_with(
           R"("metadata":{"name":"a","managedFields":[{"manager":"m","operation":"Update","fieldsType":"X"}]})"),
       {},
       201,
       "",
       ""},
      {"J10",
       "POST",
       kMaps,
       map_with(R"("metadata":{"name":"a","managedFields":7})"),
       {},
       400,
       "BadRequest",
       "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go "
       "struct field "},
  });
  const std::string owner = R"({"apiVersion":"v1","kind":"Pod","name":"p","uid":"u1"})";
  auto twice =
      call("POST", kMaps,
           map_with(R"("metadata":{"name":"owned","ownerReferences":[)" + owner + "," + owner + "]}"));
  EXPECT_EQ(twice.status, 201) << twice.text;
  EXPECT_EQ(twice.json.at({"metadata", "ownerReferences"}).as_array().size(), 1u);
  EXPECT_THAT(std::string(twice.headers.get("Warning")),
              HasSubstr(".metadata.ownerReferences contains duplicate entries; API server dedups owner "
                        "references in 1.20+"));
  // A thousand of them do not make a header that no client reads.
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += (i ? "," : "") + owner;
  auto crowd =
      call("POST", kMaps, map_with(R"("metadata":{"name":"crowd","ownerReferences":[)" + many + "]}"));
  EXPECT_EQ(crowd.status, 201);
  EXPECT_EQ(crowd.json.at({"metadata", "ownerReferences"}).as_array().size(), 1u);
  EXPECT_LT(crowd.headers.get("Warning").size(), 300u);
}

TEST_F(WireGolden, ProtobufBodies) {
  const std::string no_prefix =
      unrecognized("ConfigMap") +
      "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
  auto envelope = [](const std::string& raw) {
    return api::envelope_head("v1", "ConfigMap", raw.size()) + raw + std::string(api::envelope_tail());
  };
  std::string nested_groups(10'000, '\x0b');
  std::string unknown = "\xfa\x3f";  // field 1023, a megabyte
  unknown += "\x80\x80\x40" + std::string(1u << 20, 'z');
  const std::string name = "\x0a\x05\x0a\x03pbx"s;
  check({
      {"P1", "POST", kMaps, "k8s", type(kProtobuf), 400, "BadRequest", no_prefix},
      {"P1", "POST", kMaps, config_map_json("x"), type(kProtobuf), 400, "BadRequest", no_prefix},
      {"P1", "POST", kMaps, "k8s\0\x12\x7f"s, type(kProtobuf), 400, "BadRequest", unrecognized("ConfigMap")},
      {"P2", "POST", kMaps, envelope("\x0a\x7fx"s), type(kProtobuf), 400, "BadRequest",
       unrecognized("ConfigMap")},
      {"P2", "POST", kMaps, envelope("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s), type(kProtobuf),
       400, "BadRequest", unrecognized("ConfigMap")},
      {"P2", "POST", kMaps, envelope("\x0e"s), type(kProtobuf), 400, "BadRequest", unrecognized("ConfigMap")},
      {"P2", "POST", kMaps, envelope(nested_groups), type(kProtobuf), 400, "BadRequest",
       unrecognized("ConfigMap")},
      {"P2", "POST", kMaps, envelope("\x08\x01"s), type(kProtobuf), 400, "BadRequest",
       unrecognized("ConfigMap")},
      {"P2", "POST", kMaps, envelope(name + unknown), type(kProtobuf), 201, "", ""},
  });
  auto doubled = call("POST", kMaps,
                      envelope("\x0a\x05\x0a\x03map\x12\x06\x0a\x01k\x12\x01"
                               "1\x12\x06\x0a\x01k\x12\x01"
                               "2"s),
                      type(kProtobuf));
  EXPECT_EQ(doubled.status, 201) << doubled.text;
  EXPECT_EQ(doubled.json.at({"data", "k"}).as_string(), "2") << "the last entry of a key wins";
}

}  // namespace
}  // namespace server::testing
