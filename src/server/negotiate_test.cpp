#include "server/negotiate.hpp"

#include <gtest/gtest.h>

namespace server {
namespace {

base::Result<Format> choose(std::string accept, Answering answering, std::string_view query = "",
                            Protobuf protobuf = Protobuf::none) {
  net::Request request;
  request.headers = {{"Accept", std::move(accept)}};
  request.query = net::Query::parse(query);
  return negotiate(request, answering, protobuf);
}

// encoding/shape, or the message of the refusal.
std::string chosen(std::string accept, Answering answering, Protobuf protobuf = Protobuf::all) {
  auto format = choose(std::move(accept), answering, "", protobuf);
  if (!format) return format.error().message;
  constexpr const char* kShapes[] = {"", " table", " partial"};
  auto type = answering == Answering::watch ? format->stream_type() : format->content_type();
  return type.substr(type.find('/') + 1) + kShapes[static_cast<int>(format->shape)];
}

TEST(Negotiate, TakesWhatKubectlSends) {
  auto table = choose(
      "application/json;as=Table;v=v1;g=meta.k8s.io,application/"
      "json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
      Answering::list);
  ASSERT_TRUE(table);
  EXPECT_EQ(table->shape, Format::Shape::table);
  EXPECT_EQ(table->meta_version, "v1");
  auto typed = choose("application/vnd.kubernetes.protobuf,application/json", Answering::object);
  ASSERT_TRUE(typed);
  EXPECT_TRUE(typed->verbatim());
  EXPECT_TRUE(choose("", Answering::object)->verbatim());
  EXPECT_TRUE(choose("application/json, */*", Answering::watch)->verbatim());
  EXPECT_EQ(choose("application/yaml", Answering::object)->encoding, Format::Encoding::yaml);
  EXPECT_EQ(choose("application/yaml;q=0.5, application/json", Answering::object)->encoding,
            Format::Encoding::json);
  EXPECT_TRUE(choose("application/json", Answering::object, "pretty=true")->pretty);
}

TEST(Negotiate, PartialObjectsByShape) {
  const std::string kOne = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
  const std::string kList = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
  EXPECT_EQ(choose(kOne, Answering::object)->shape, Format::Shape::partial);
  EXPECT_EQ(choose(kOne, Answering::watch)->shape, Format::Shape::partial);
  EXPECT_EQ(choose(kList, Answering::list)->shape, Format::Shape::partial);
  EXPECT_FALSE(choose(kOne, Answering::list));
}

TEST(Negotiate, RefusesWhatItCannotWrite) {
  for (auto accept : {"text/html", "application/vnd.kubernetes.protobuf",
                      "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io"}) {
    auto format = choose(accept, Answering::object);
    ASSERT_FALSE(format) << accept;
    EXPECT_EQ(format.error().reason, base::Reason::not_acceptable);
    EXPECT_TRUE(format.error().message.starts_with("only the following media types are accepted"));
  }
  EXPECT_FALSE(choose("application/yaml", Answering::watch));
}

TEST(Negotiate, ProtobufWhereItIsKnown) {
  const std::string kProto = "application/vnd.kubernetes.protobuf";
  const std::string kMeta = ";as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
  const std::string kTable = ";as=Table;v=v1;g=meta.k8s.io";
  EXPECT_EQ(chosen(kProto, Answering::object), "vnd.kubernetes.protobuf");
  EXPECT_EQ(chosen(kProto + ",application/json", Answering::list), "vnd.kubernetes.protobuf");
  EXPECT_EQ(chosen(kProto + ";stream=watch", Answering::watch), "vnd.kubernetes.protobuf;stream=watch");
  EXPECT_EQ(chosen(kProto, Answering::watch), "vnd.kubernetes.protobuf;stream=watch");
  EXPECT_EQ(chosen(kProto + ",application/json", Answering::list, Protobuf::metadata), "json");
  EXPECT_EQ(chosen(kProto + kMeta + ",application/json", Answering::object, Protobuf::metadata),
            "vnd.kubernetes.protobuf partial");
  EXPECT_EQ(chosen(kProto + kTable + ",application/json" + kTable + "," + kProto, Answering::list),
            "json table");
  EXPECT_EQ(chosen(kProto + kTable + "," + kProto, Answering::list), "vnd.kubernetes.protobuf");
  EXPECT_EQ(chosen(kProto, Answering::object, Protobuf::metadata),
            "only the following media types are accepted: application/json, application/yaml");
}

TEST(Negotiate, OrderIsWeightThenPrecisionThenPlace) {
  const std::string kProto = "application/vnd.kubernetes.protobuf";
  EXPECT_EQ(chosen("*/*", Answering::object), "json");
  EXPECT_EQ(chosen("", Answering::object), "json");
  EXPECT_EQ(chosen("*/*, " + kProto, Answering::object), "vnd.kubernetes.protobuf");
  EXPECT_EQ(chosen("application/*, application/yaml", Answering::object), "yaml");
  EXPECT_EQ(chosen("*/*;q=0.9, " + kProto + ";q=0.8", Answering::object), "json");
  EXPECT_EQ(chosen(kProto + ";q=0, application/yaml", Answering::object), "yaml");
  EXPECT_EQ(chosen("text/html, image/png, application/yaml;q=nonsense", Answering::object), "yaml");
  EXPECT_EQ(chosen("application/json;as=Table;v=v9;g=meta.k8s.io, application/yaml", Answering::list),
            "yaml");
  EXPECT_EQ(chosen("application/json;as=Secret;v=v1;g=meta.k8s.io, application/yaml", Answering::list),
            "yaml");
  EXPECT_EQ(chosen("application/json;g=meta.k8s.io, application/yaml", Answering::list), "yaml");
  EXPECT_EQ(chosen("application/json;sv=v2, application/yaml", Answering::list), "yaml");
}

TEST(Negotiate, RefusalsNameWhatThereIs) {
  EXPECT_EQ(chosen("text/html", Answering::object),
            "only the following media types are accepted: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf");
  EXPECT_EQ(chosen("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", Answering::list),
            "only the following media types are accepted when converting to Table: application/json, "
            "application/yaml");
  for (auto accept : {"application/yaml", "application/yaml,application/json", "text/html"}) {
    EXPECT_EQ(chosen(accept, Answering::watch),
              "only the following media types are accepted: application/json;stream=watch, "
              "application/vnd.kubernetes.protobuf;stream=watch")
        << accept;
  }
  EXPECT_EQ(chosen("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json",
                   Answering::list),
            "you requested PartialObjectMetadata, but the requested object is a list");
}

TEST(Negotiate, ErrorsComeAsTheClientReadsThem) {
  auto encoding = [](std::string accept) {
    net::Request request;
    request.headers = {{"Accept", std::move(accept)}};
    return negotiate_or_json(request).encoding;
  };
  EXPECT_EQ(encoding("application/vnd.kubernetes.protobuf,application/json"), Format::Encoding::protobuf);
  EXPECT_EQ(encoding("application/json;as=Table;v=v1;g=meta.k8s.io,application/yaml"),
            Format::Encoding::yaml);
  EXPECT_EQ(encoding("text/html"), Format::Encoding::json);
  EXPECT_EQ(encoding(""), Format::Encoding::json);
}

TEST(Negotiate, GzipOnlyForWhoTakesIt) {
  auto takes = [](std::string accept) {
    net::Request request;
    request.headers = {{"Accept-Encoding", std::move(accept)}};
    return accepts_gzip(request);
  };
  EXPECT_TRUE(takes("gzip"));
  EXPECT_TRUE(takes("deflate, gzip;q=0.5, br"));
  EXPECT_FALSE(takes("gzip;q=0"));
  EXPECT_FALSE(takes("identity"));
  EXPECT_FALSE(takes(""));
}

TEST(QueryFlag, OnlyAbsentFalseAndZeroMeanNo) {
  const auto query = net::Query::parse("a&b=&c=1&d=TRUE&e=foo&f=false&g=0&h=False");
  for (auto name : {"a", "b", "c", "d", "e"}) EXPECT_TRUE(query_flag(query, name)) << name;
  for (auto name : {"f", "g", "h", "i"}) EXPECT_FALSE(query_flag(query, name)) << name;
}

}  // namespace
}  // namespace server
