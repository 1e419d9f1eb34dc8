#include "server/negotiate.hpp"

#include <gtest/gtest.h>

namespace server {
namespace {

base::Result<Format> choose(std::string accept, Answering answering, std::string_view query = "") {
  net::Request request;
  request.headers = {{"Accept", std::move(accept)}};
  request.query = net::Query::parse(query);
  return negotiate(request, answering);
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

TEST(QueryFlag, OnlyAbsentFalseAndZeroMeanNo) {
  const auto query = net::Query::parse("a&b=&c=1&d=TRUE&e=foo&f=false&g=0&h=False");
  for (auto name : {"a", "b", "c", "d", "e"}) EXPECT_TRUE(query_flag(query, name)) << name;
  for (auto name : {"f", "g", "h", "i"}) EXPECT_FALSE(query_flag(query, name)) << name;
}

}  // namespace
}  // namespace server
