#include "api/decode.hpp"

#include <gtest/gtest.h>

#include "api/protobuf.hpp"
#include "base/json.hpp"

namespace {

using api::FieldValidation;

const api::Registry& registry() {
  static const api::Registry kinds = api::load_builtin_kinds().value();
  return kinds;
}

base::Result<api::Decoded> decode(std::string_view kind, std::string_view body,
                                  FieldValidation validation = FieldValidation::strict,
                                  std::string_view content_type = "application/json") {
  return api::decode_body(registry(), *registry().find_kind("v1", kind), content_type, body, validation);
}

std::string decoded(std::string_view kind, std::string_view body,
                    FieldValidation validation = FieldValidation::strict) {
  auto out = decode(kind, body, validation);
  return out ? base::write_json(out->object) : "error: " + out.error().message;
}

std::string refused(std::string_view kind, std::string_view body,
                    FieldValidation validation = FieldValidation::strict) {
  auto out = decode(kind, body, validation);
  if (out) return "accepted: " + base::write_json(out->object);
  EXPECT_EQ(out.error().reason, base::Reason::bad_request);
  return out.error().message;
}

TEST(Decode, TypeIsTakenFromTheUrlAndPutInFront) {
  EXPECT_EQ(decoded("ConfigMap", R"({"data":{"b":"2","a":"1"},"metadata":{"name":"x"}})"),
            R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"data":{"a":"1","b":"2"}})");
}

TEST(Decode, TimesOfAllYears) {
  auto pod = [](std::string_view time) {
    return R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"},"status":{"startTime":")" + std::string(time) + R"("}})";
  };
  // Go's zero time is no time; others are not bent to what a clock of nanoseconds reaches.
  EXPECT_EQ(decoded("Pod", pod("0001-01-01T00:00:00Z")), R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"},"status":{}})");
  for (const char* time : {"9999-12-31T23:59:59Z", "1066-10-14T09:00:00Z", "0000-01-01T00:00:00Z"}) {
    EXPECT_EQ(decoded("Pod", pod(time)), pod(time));
    const auto& kind = *registry().find_kind("v1", "Pod");
    auto object = base::parse_json(pod(time));
    ASSERT_TRUE(object);
    auto back = api::decode_protobuf(kind, api::encode_protobuf(kind, *object));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ((*back)["status"]["startTime"].as_string(), time);
  }
  EXPECT_TRUE(refused("Pod", pod("9999-12-31T23:59:59-01:00")).find("parsing time") != std::string::npos);
}

TEST(Decode, BodiesThatAreNoObject) {
  // As upstream: the URL says what a body without a type is, and validation misses the rest.
  EXPECT_EQ(decoded("ConfigMap", "{}"), R"({"kind":"ConfigMap","apiVersion":"v1"})");
  EXPECT_EQ(decoded("ConfigMap", "null"), R"({"kind":"ConfigMap","apiVersion":"v1"})");
  EXPECT_TRUE(refused("Service", "").ends_with(" (<empty>)"));
  EXPECT_TRUE(refused("Service", "[]").ends_with(" (5b5d)"));
  EXPECT_TRUE(refused("Service", R"({"kind":"Service","apiVersion":"v1"} x)")
                  .ends_with(R"( ({"kind":"Service","apiVersion" ...))"));
  for (const char* body : {"", "[]", "\"x\"", "{", "7", R"({"kind":"Service"} x)", R"({"kind":5})"}) {
    EXPECT_TRUE(refused("Service", body)
                    .starts_with("the object provided is unrecognized (must be of type Service): "))
        << body;
  }
  EXPECT_EQ(decoded("DeleteOptions", "{}"), R"({"kind":"DeleteOptions","apiVersion":"v1"})");
  EXPECT_EQ(
      decoded("DeleteOptions", R"({"kind":"DeleteOptions","apiVersion":"apps/v1","gracePeriodSeconds":0})"),
      R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0})");
}

TEST(Decode, WrongVersionOrKind) {
  EXPECT_EQ(refused("Service", R"({"kind":"Scale","apiVersion":"autoscaling/v1"})"),
            "the API version in the data (autoscaling/v1) does not match the expected API version (v1)");
  EXPECT_EQ(
      refused("Service", R"({"kind":"Pod","apiVersion":"v1"})"),
      R"(Pod in version "v1" cannot be handled as a Service: converting (v1.Pod) to (core.Service): unknown conversion)");
  EXPECT_TRUE(
      refused("Service", R"({"kind":"Servise","apiVersion":"v1"})")
          .starts_with(
              R"(Servise in version "v1" cannot be handled as a Service: no kind "Servise" is registered for version "v1" in scheme)"));
}

TEST(Decode, WrongTypesAreNamedAsGoNamesThem) {
  const std::string start = R"(Service in version "v1" cannot be handled as a Service: )";
  EXPECT_EQ(
      refused("Service", R"({"spec":{"ports":[{"port":"80"}]}})"),
      start + "json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32");
  EXPECT_EQ(refused("Service", R"({"spec":{"ports":{}}})"),
            start +
                "json: cannot unmarshal object into Go struct field ServiceSpec.spec.ports of type "
                "[]v1.ServicePort");
  EXPECT_EQ(
      refused("Service", R"({"metadata":{"labels":{"a":1}}})"),
      start + "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string");
  EXPECT_EQ(refused("Service", R"({"spec":[]})"),
            start + "json: cannot unmarshal array into Go struct field Service.spec of type v1.ServiceSpec");
  EXPECT_EQ(refused("Service", R"({"spec":{"publishNotReadyAddresses":"yes"}})"),
            start +
                "json: cannot unmarshal string into Go struct field "
                "ServiceSpec.spec.publishNotReadyAddresses of type bool");
}

TEST(Decode, IntegersMustFit) {
  for (const char* number : {"2147483648", "-2147483649", "1.0", "1e2", "9223372036854775808", "1e400"}) {
    EXPECT_EQ(
        refused("Service", std::string(R"({"spec":{"ports":[{"port":)") + number + "}]}}"),
        std::string(
            R"(Service in version "v1" cannot be handled as a Service: json: cannot unmarshal number )") +
            number + " into Go struct field ServicePort.spec.ports.port of type int32");
  }
  EXPECT_TRUE(decode("Service", R"({"spec":{"ports":[{"port":2147483647}]}})"));
  EXPECT_TRUE(decode("Service", R"({"metadata":{"generation":9223372036854775807}})"));
  EXPECT_TRUE(refused("Service", R"({"spec":{"ports":[{"port":1,"targetPort":1.5}]}})")
                  .ends_with("json: cannot unmarshal number 1.5 into Go value of type int32"));
  EXPECT_TRUE(refused("Service", R"({"spec":{"ports":[{"port":1,"targetPort":true}]}})")
                  .ends_with("json: cannot unmarshal bool into Go value of type int32"));
}

TEST(Decode, UnknownAndDuplicateFields) {
  const char* body = R"({"spec":{"bogus":1,"ports":[{"port":1},{"port":2,"port":3,"x":{}}]},"app":"kubia"})";
  EXPECT_EQ(
      refused("Service", body),
      R"(Service in version "v1" cannot be handled as a Service: strict decoding error: duplicate field "spec.ports[1].port", )"
      R"(unknown field "spec.bogus", unknown field "spec.ports[1].x", unknown field "app")");
  const auto warned = decode("Service", body, FieldValidation::warn);
  ASSERT_TRUE(warned);
  EXPECT_EQ(warned->warnings, (std::vector<std::string>{
                                  R"(duplicate field "spec.ports[1].port")", R"(unknown field "spec.bogus")",
                                  R"(unknown field "spec.ports[1].x")", R"(unknown field "app")"}));
  EXPECT_EQ(base::write_json(warned->object),
            R"({"kind":"Service","apiVersion":"v1","spec":{"ports":[{"port":1},{"port":3}]}})");
  const auto ignored = decode("Service", body, FieldValidation::ignore);
  ASSERT_TRUE(ignored);
  EXPECT_TRUE(ignored->warnings.empty());
  EXPECT_EQ(ignored->object, warned->object);
}

TEST(Decode, TheBooksTrapIsAnUnknownField) {
  EXPECT_EQ(
      refused("Service", R"({"spec":{"publishNotReadyEndpoints":true}})"),
      R"(Service in version "v1" cannot be handled as a Service: strict decoding error: unknown field "spec.publishNotReadyEndpoints")");
  EXPECT_TRUE(
      refused("Service", R"({"spec":{"ClusterIP":"x"}})").ends_with(R"(unknown field "spec.ClusterIP")"));
}

TEST(Decode, StrictErrorsAreBounded) {
  std::string body = "{";
  for (int i = 0; i < 1000; ++i) body += (i ? ",\"" : "\"") + std::string("f") + std::to_string(i) + "\":1";
  EXPECT_EQ(decode("Service", body + "}", FieldValidation::warn)->warnings.size(), 100u);
}

TEST(Decode, NullsAndZeroesThatMeanAbsent) {
  EXPECT_EQ(
      decoded("Service", R"({"metadata":{"name":"a","labels":null,"annotations":{},"creationTimestamp":null},
      "spec":{"clusterIP":"","publishNotReadyAddresses":false,"healthCheckNodePort":0,"ports":[{"port":80,"nodePort":0,"targetPort":0}],
      "allocateLoadBalancerNodePorts":false,"trafficDistribution":null},"status":{"loadBalancer":{}}})"),
      R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"ports":[{"port":80}],)"
      R"("allocateLoadBalancerNodePorts":false},"status":{"loadBalancer":{}}})");
  EXPECT_EQ(decoded("ConfigMap", R"({"data":{"a":null},"immutable":false})"),
            R"({"kind":"ConfigMap","apiVersion":"v1","immutable":false,"data":{"a":""}})");
  EXPECT_EQ(decoded("ReplicationController", R"({"spec":{"replicas":0,"minReadySeconds":0}})"),
            R"({"kind":"ReplicationController","apiVersion":"v1","spec":{"replicas":0}})");
  EXPECT_EQ(
      decoded(
          "Pod",
          R"({"spec":{"volumes":[{"name":"v","emptyDir":{}}],"containers":[{"name":"c","args":[null,""],"env":[{"name":"A","value":""}]}]}})"),
      R"({"kind":"Pod","apiVersion":"v1","spec":{"volumes":[{"name":"v","emptyDir":{}}],"containers":[{"name":"c","args":["",""],"env":[{"name":"A"}]}]}})");
}

TEST(Decode, QuantitiesTimesAndBytes) {
  const auto pod = [](std::string_view cpu) {
    return R"({"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":)" + std::string(cpu) +
           "}}}]}}";
  };
  EXPECT_EQ(decode("Pod", pod("\"0.5\""))
                ->object["spec"]["containers"]
                .as_array()[0]
                .at({"resources", "limits", "cpu"}),
            base::Value("500m"));
  EXPECT_EQ(
      decode("Pod", pod("2"))->object["spec"]["containers"].as_array()[0].at({"resources", "limits", "cpu"}),
      base::Value("2"));
  EXPECT_TRUE(
      refused("Pod", pod("\"abc\""))
          .ends_with(
              "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"));
  EXPECT_TRUE(refused("Pod", pod("\"1Mx\"")).contains("quantit"));
  EXPECT_TRUE(refused("Pod", pod("\"1KK\"")).ends_with("unable to parse quantity's suffix"));
  EXPECT_TRUE(refused("Pod", pod("true")).contains("quantities must match"));
  EXPECT_EQ(decoded("Pod", R"({"status":{"startTime":"2026-01-02T03:04:05.678+01:00"}})"),
            R"({"kind":"Pod","apiVersion":"v1","status":{"startTime":"2026-01-02T02:04:05Z"}})");
  EXPECT_TRUE(
      refused("Pod", R"({"status":{"startTime":"soon"}})")
          .ends_with(R"(parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006")"));
  EXPECT_TRUE(refused("Secret", R"({"data":{"a":"!"}})").ends_with("illegal base64 data at input byte 0"));
  EXPECT_TRUE(decode("Secret", R"({"data":{"a":"","b":"YQ=="}})"));
}

TEST(Decode, YamlAndUnknownContentTypes) {
  const auto service = decode("Service", "kind: Service\napiVersion: v1\nspec:\n  ports:\n  - port: 80\n",
                              FieldValidation::strict, "application/yaml");
  ASSERT_TRUE(service);
  EXPECT_EQ(service->object.at({"spec", "ports"}).as_array()[0]["port"].as_int(), 80);
  EXPECT_TRUE(
      decode("Service", R"({"kind":"Service"})", FieldValidation::strict, "Application/JSON; charset=utf-8"));
  EXPECT_TRUE(decode("Service", R"({"kind":"Service"})", FieldValidation::strict, ""));
  const auto refused_type = decode("Service", "x", FieldValidation::strict, "text/plain");
  ASSERT_FALSE(refused_type);
  EXPECT_EQ(refused_type.error().reason, base::Reason::unsupported_media_type);
  EXPECT_EQ(refused_type.error().message,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml, application/vnd.kubernetes.protobuf");
}

TEST(Decode, NamesAgainstTheUrl) {
  const base::Value object = base::parse_json(R"({"metadata":{"name":"a","namespace":"n"}})").value();
  EXPECT_TRUE(api::check_request_names(object, "a", "n", false));
  EXPECT_EQ(api::check_request_names(object, "b", "n", false).error().message,
            "the name of the object (a) does not match the name on the URL (b)");
  EXPECT_EQ(api::check_request_names(object, "a", "m", false).error().message,
            "the namespace of the object (n) does not match the namespace on the request (m)");
  EXPECT_EQ(api::check_request_names(object, "", "m", true).error().message,
            "the namespace of the provided object does not match the namespace sent on the request");
  EXPECT_TRUE(api::check_request_names(base::Value(base::Object()), "b", "n", true));
}

}  // namespace
