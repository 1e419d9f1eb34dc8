// The rules of resourceVersion, resourceVersionMatch, limit and continue for lists; the texts that clients compare.
#include <gmock/gmock.h>

#include "server/testing.hpp"

namespace server::testing {
namespace {

using ::testing::HasSubstr;

class Revisions : public ServerTest {
 protected:
  std::vector<std::string> names(const Reply& reply) {
    std::vector<std::string> out;
    for (const auto& item : reply.json["items"].as_array())
      out.emplace_back(item.at({"metadata", "name"}).as_string());
    return out;
  }
  static std::string token(const Reply& reply) {
    return std::string(reply.json.at({"metadata", "continue"}).as_string());
  }
  std::string revision() { return std::to_string(store_->revision()); }
  void create(std::initializer_list<const char*> list) {
    for (auto name : list) ASSERT_EQ(call("POST", config_maps_, config_map_json(name)).status, 201);
  }
};

class ShortRevisions : public Revisions {
 protected:
  ShortRevisions() { window_ = 4; }
};

TEST_F(Revisions, CombinationsThatAreRefused) {
  struct Row {
    std::string query;
    int code;
    std::string text;
  };
  const std::string forbidden = "resourceVersionMatch: Forbidden: ";
  for (const Row& row : std::vector<Row>{
           {"resourceVersion=abc", 400, "resourceVersion: Invalid value: \"abc\""},
           {"resourceVersion=-1", 400, "resourceVersion"},
           {"resourceVersion=1.5", 400, "resourceVersion"},
           {"resourceVersion=18446744073709551616", 400, "resourceVersion"},
           {"continue=%21%21", 400, "invalid continue token: "},
           {"continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiIuLi94In0", 400, "invalid continue token: "},
           {"resourceVersionMatch=Exact", 422, forbidden + "resourceVersionMatch is forbidden unless resourceVersion is provided"},
           {"resourceVersionMatch=NotOlderThan&resourceVersion=1&continue=x", 422, forbidden + "resourceVersionMatch is forbidden when continue is provided"},
           {"resourceVersionMatch=Exact&resourceVersion=0", 422, forbidden + "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""},
           {"resourceVersionMatch=Nearly&resourceVersion=1", 422, "resourceVersionMatch: Unsupported value: \"Nearly\": supported values: \"Exact\", \"NotOlderThan\", \"\""},
           {"sendInitialEvents=true", 422, "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"},
           {"watch=1&sendInitialEvents=true", 422, forbidden + "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"},
           {"watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", 422, "resourceVersionMatch: Unsupported value: \"Exact\": supported values: \"NotOlderThan\""},
           {"watch=1&resourceVersionMatch=NotOlderThan", 422, forbidden + "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"},
           {"watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x", 422, forbidden + "resourceVersionMatch is forbidden when continue is provided"},
           {"limit=-1", 400, "limit"},
           {"limit=abc", 400, "limit"},
           {"timeoutSeconds=1e99", 400, "timeoutSeconds"},
           {"watch=1&timeoutSeconds=1e99", 400, "timeoutSeconds"},
       }) {
    auto reply = call("GET", config_maps_ + "?" + row.query);
    EXPECT_EQ(reply.status, row.code) << row.query;
    EXPECT_THAT(std::string(reply.message()), HasSubstr(row.text)) << row.query;
    if (row.code == 422) {
      EXPECT_EQ(reply.reason(), "Invalid") << row.query;
      EXPECT_EQ(reply.json.at({"details", "kind"}).as_string(), "ListOptions");
    }
  }
}

TEST_F(Revisions, TheFutureIsATimeoutWithARetry) {
  for (std::string query : {"resourceVersion=999", "resourceVersion=999&resourceVersionMatch=Exact",
                            "resourceVersion=999&resourceVersionMatch=NotOlderThan", "resourceVersion=999&limit=1"}) {
    auto reply = call("GET", config_maps_ + "?" + query);
    EXPECT_EQ(reply.status, 504) << query;
    EXPECT_EQ(std::string(reply.message()), "Timeout: Too large resource version: 999, current: " + revision());
    EXPECT_EQ(reply.json.at({"details", "retryAfterSeconds"}).int_or(0), 1);
    EXPECT_EQ(reply.json.at({"details", "causes"}).as_array().at(0)["reason"].as_string(), "ResourceVersionTooLarge");
    EXPECT_EQ(reply.headers.get("Retry-After"), "1");
  }
}

TEST_F(Revisions, WhichStateALegacyOrExactListShows) {
  create({"a", "b"});
  auto then = revision();
  create({"c", "d"});
  auto list = [&](std::string query) { return call("GET", config_maps_ + "?" + query); };
  const std::vector<std::string> old = {"a", "b"};
  const std::vector<std::string> all = {"a", "b", "c", "d"};
  EXPECT_EQ(names(list("")), all);
  EXPECT_EQ(names(list("resourceVersion=0")), all);
  EXPECT_EQ(names(list("resourceVersion=" + then)), all);
  EXPECT_EQ(names(list("resourceVersionMatch=NotOlderThan&resourceVersion=" + then)), all);
  auto exact = list("resourceVersionMatch=Exact&resourceVersion=" + then);
  EXPECT_EQ(names(exact), old);
  EXPECT_EQ(exact.json.at({"metadata", "resourceVersion"}).as_string(), then);
  EXPECT_EQ(names(list("limit=10&resourceVersion=" + then)), old);  // the old rule: with a limit it is exact
  EXPECT_EQ(names(list("limit=10&resourceVersion=0")), all);
  EXPECT_EQ(names(list("limit=10&resourceVersionMatch=NotOlderThan&resourceVersion=" + then)), all);
}

TEST_F(Revisions, PagesShowOneState) {
  create({"a", "b", "c", "d", "e"});
  auto first = call("GET", config_maps_ + "?limit=2");
  EXPECT_EQ(first.json.at({"metadata", "remainingItemCount"}).int_or(0), 3);
  create({"bb"});
  ASSERT_EQ(call("DELETE", config_maps_ + "/d").status, 200);
  auto second = call("GET", config_maps_ + "?limit=2&continue=" + token(first));
  EXPECT_EQ(names(second), (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(second.json.at({"metadata", "remainingItemCount"}).int_or(0), 1);
  auto third = call("GET", config_maps_ + "?limit=2&continue=" + token(second));
  EXPECT_EQ(names(third), (std::vector<std::string>{"e"}));
  EXPECT_EQ(token(third), "");
  EXPECT_TRUE(third.json.at({"metadata", "remainingItemCount"}).is_null());
  for (auto* page : {&second, &third})
    EXPECT_EQ(page->json.at({"metadata", "resourceVersion"}), first.json.at({"metadata", "resourceVersion"}));
  // How many remain is not told to who selects.
  auto some = call("GET", config_maps_ + "?limit=1&fieldSelector=metadata.name!%3Da");
  EXPECT_NE(token(some), "");
  EXPECT_TRUE(some.json.at({"metadata", "remainingItemCount"}).is_null());
  EXPECT_EQ(call("GET", config_maps_ + "?resourceVersion=1&continue=" + token(first)).message(),
            "specifying resource version is not allowed when using continue");
  EXPECT_EQ(call("GET", config_maps_ + "?resourceVersion=0&continue=" + token(first)).status, 200);
}

TEST_F(ShortRevisions, AfterACompactionTheListGoesOnInconsistently) {
  create({"a", "b", "c", "d", "e"});
  auto first = call("GET", config_maps_ + "?limit=2");
  create({"bb", "cc", "f", "g", "h", "i"});
  ASSERT_GT(store_->compacted(), std::stoll(std::string(first.json.at({"metadata", "resourceVersion"}).as_string())));
  auto gone = call("GET", config_maps_ + "?limit=2&continue=" + token(first));
  EXPECT_EQ(gone.status, 410);
  EXPECT_EQ(gone.reason(), "Expired");
  EXPECT_THAT(std::string(gone.message()),
              HasSubstr("or use the continue token in this response to retrieve the remainder of the results."));
  EXPECT_EQ(gone.json["kind"].as_string(), "Status");
  EXPECT_TRUE(gone.json.at({"metadata", "resourceVersion"}).is_null());
  ASSERT_NE(token(gone), "");
  auto on = call("GET", config_maps_ + "?limit=3&continue=" + token(gone));
  EXPECT_EQ(on.status, 200);
  EXPECT_EQ(names(on), (std::vector<std::string>{"bb", "c", "cc"}));
  EXPECT_EQ(on.json.at({"metadata", "resourceVersion"}).as_string(), revision());
  auto rest = call("GET", config_maps_ + "?continue=" + token(on));
  EXPECT_EQ(names(rest), (std::vector<std::string>{"d", "e", "f", "g", "h", "i"}));
  auto exact = call("GET", config_maps_ + "?resourceVersionMatch=Exact&resourceVersion=1");
  EXPECT_EQ(exact.status, 410);
  EXPECT_EQ(exact.message(), "The resourceVersion for the provided list is too old.");
}

}  // namespace
}  // namespace server::testing
