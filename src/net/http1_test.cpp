#include "net/http1.hpp"

#include <gtest/gtest.h>

namespace net {
namespace {

// Feeds `bytes` in steps of that size; what is left belongs to the next message.
std::string_view feed_all(Http1Parser& parser, std::string_view bytes, size_t step) {
  while (!bytes.empty() && !parser.complete() && !parser.failed()) {
    bytes.remove_prefix(parser.feed(bytes.substr(0, step)));
  }
  return bytes;
}

struct Refused {
  const char* name;
  std::string request;
  int status;
};

class Http1Refuses : public testing::TestWithParam<Refused> {};

TEST_P(Http1Refuses, WholeAndByteByByte) {
  for (const size_t step : {size_t{1} << 20, size_t{1}, size_t{7}}) {
    Http1Parser parser(Http1Parser::Kind::request);
    feed_all(parser, GetParam().request, step);
    EXPECT_TRUE(parser.failed()) << "step " << step;
    EXPECT_EQ(parser.error_status(), GetParam().status) << parser.error_text();
  }
}

const std::string kHost = "Host: a\r\n";

INSTANTIATE_TEST_SUITE_P(
    Table, Http1Refuses,
    testing::Values(
        Refused{"no_host", "GET / HTTP/1.1\r\n\r\n", 400},
        Refused{"two_hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        Refused{"host_with_blank", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        Refused{"host_with_slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        Refused{"bad_method", "G(T / HTTP/1.1\r\n" + kHost + "\r\n", 400},
        Refused{"no_method", " / HTTP/1.1\r\n" + kHost + "\r\n", 400},
        Refused{"no_version", "GET /\r\n" + kHost + "\r\n", 400},
        Refused{"version_9_9", "GET / HTTP/9.9\r\n" + kHost + "\r\n", 505},
        Refused{"version_2_0", "GET / HTTP/2.0\r\n" + kHost + "\r\n", 505},
        Refused{"version_text", "GET / HTTP/x.y\r\n" + kHost + "\r\n", 400},
        Refused{"lower_version", "GET / http/1.1\r\n" + kHost + "\r\n", 400},
        Refused{"absolute_uri", "GET http://a/ HTTP/1.1\r\n" + kHost + "\r\n", 400},
        Refused{"authority_form", "CONNECT a:443 HTTP/1.1\r\n" + kHost + "\r\n", 400},
        Refused{"asterisk_get", "GET * HTTP/1.1\r\n" + kHost + "\r\n", 400},
        Refused{"nul_in_path", std::string("GET /a\0b HTTP/1.1\r\n", 20) + kHost + "\r\n", 400},
        Refused{"non_ascii_path", "GET /\xff HTTP/1.1\r\n" + kHost + "\r\n", 400},
        Refused{"two_blanks", "GET  / HTTP/1.1\r\n" + kHost + "\r\n", 400},
        Refused{"blank_in_target", "GET /a b HTTP/1.1\r\n" + kHost + "\r\n", 400},
        Refused{"bare_lf", "GET / HTTP/1.1\nHost: a\n\n", 400},
        Refused{"bare_lf_field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400},
        Refused{"bare_cr", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
        Refused{"folded", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400},
        Refused{"blank_before_colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        Refused{"no_colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400},
        Refused{"empty_name", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400},
        Refused{"nul_in_value", std::string("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 35), 400},
        Refused{"empty_lines", "\r\n\r\nGET / HTTP/1.1\r\n" + kHost + "\r\n", 400},
        Refused{"length_and_chunked",
                "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        Refused{"chunked_and_length",
                "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
        Refused{"two_lengths", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
        Refused{"length_list", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 3, 3\r\n\r\n", 400},
        Refused{"negative_length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: -1\r\n\r\n", 400},
        Refused{"plus_length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: +1\r\n\r\n", 400},
        Refused{"hex_length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 0x1\r\n\r\n", 400},
        Refused{"empty_length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length:\r\n\r\n", 400},
        Refused{"overflow_length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 18446744073709551616\r\n\r\n", 400},
        Refused{"large_length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 3145729\r\n\r\n", 413},
        Refused{"coding_identity", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: identity\r\n\r\n", 400},
        Refused{"coding_list", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: gzip, chunked\r\n\r\n", 400},
        Refused{"coding_vtab", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: \x0b" "chunked\r\n\r\n", 400},
        Refused{"two_codings",
                "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        Refused{"chunked_1_0", "POST / HTTP/1.0\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n", 400},
        Refused{"chunk_all_ones",
                "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 400},
        Refused{"chunk_17_digits",
                "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n00000000000000001\r\n", 400},
        Refused{"chunk_large", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n300001\r\n", 413},
        Refused{"chunk_no_size", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n\r\n", 400},
        Refused{"chunk_negative", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400},
        Refused{"chunk_prefix", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n0x3\r\n", 400},
        Refused{"chunk_bare_lf", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n", 400},
        Refused{"chunk_too_long",
                "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400},
        Refused{"chunk_extension_long",
                "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n3;" + std::string(2000, 'x'), 400},
        Refused{"head_64k", "GET / HTTP/1.1\r\n" + kHost + "X: " + std::string(65536, 'x') + "\r\n\r\n", 431}),
    [](const auto& info) { return info.param.name; });

TEST(Http1Parser, TooManyFields) {
  std::string request = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 100; ++i) request += "X: y\r\n";
  Http1Parser parser(Http1Parser::Kind::request);
  feed_all(parser, request + "\r\n", 1000);
  EXPECT_EQ(parser.error_status(), 431);
}

TEST(Http1Parser, TinyChunksWithLongExtensions) {
  std::string request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 100; ++i) request += "1;" + std::string(900, 'x') + "\r\na\r\n";
  Http1Parser parser(Http1Parser::Kind::request);
  feed_all(parser, request, 4096);
  EXPECT_EQ(parser.error_status(), 400);
}

TEST(Http1Parser, OneByteChunksOfAnHonestSender) {
  std::string request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20000; ++i) request += "1\r\na\r\n";
  Http1Parser parser(Http1Parser::Kind::request);
  EXPECT_EQ(feed_all(parser, request + "0\r\n\r\nnext", 4096), "next");
  EXPECT_TRUE(parser.complete()) << parser.error_text();
  EXPECT_EQ(parser.body().size(), 20000u);
}

TEST(Http1Parser, ReadsRequestsInAnySteps) {
  const std::string two =
      "\r\nPOST /api/v1?x=1 HTTP/1.1\r\nHost: a:6443\r\nX-A:\t b \r\nTransfer-Encoding: Chunked\r\n\r\n"
      "3;name=value\r\nabc\r\n00a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
      "GET /next HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n";
  for (size_t step = 1; step <= two.size(); ++step) {
    Http1Parser parser(Http1Parser::Kind::request);
    std::string_view rest = feed_all(parser, two, step);
    ASSERT_TRUE(parser.complete()) << step << parser.error_text();
    EXPECT_EQ(parser.method(), "POST");
    EXPECT_EQ(parser.target(), "/api/v1?x=1");
    EXPECT_EQ(parser.headers().get("x-a"), "b");
    EXPECT_EQ(parser.body(), "abc0123456789");
    EXPECT_TRUE(parser.keep_alive());
    parser.reset();
    rest = feed_all(parser, rest, step);
    ASSERT_TRUE(parser.complete());
    EXPECT_EQ(parser.target(), "/next");
    EXPECT_FALSE(parser.keep_alive());
    EXPECT_EQ(rest, "");
  }
}

TEST(Http1Parser, StopsAtTheHead) {
  Http1Parser parser(Http1Parser::Kind::request);
  const std::string_view request = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab";
  EXPECT_EQ(parser.feed(request), request.size() - 2);
  EXPECT_TRUE(parser.head_complete());
  EXPECT_TRUE(parser.expects_continue());
  EXPECT_FALSE(parser.complete());
  EXPECT_EQ(parser.feed("ab"), 2u);
  EXPECT_TRUE(parser.complete());
}

TEST(Http1Parser, KeepAliveOfHttp10) {
  Http1Parser parser(Http1Parser::Kind::request);
  feed_all(parser, "GET / HTTP/1.0\r\n\r\n", 100);
  EXPECT_TRUE(parser.complete());
  EXPECT_FALSE(parser.keep_alive());
  parser.reset();
  feed_all(parser, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 100);
  EXPECT_TRUE(parser.keep_alive());
}

TEST(Http1Parser, Responses) {
  Http1Parser until_close(Http1Parser::Kind::response);
  feed_all(until_close, "HTTP/1.1 200 OK\r\n\r\nabc", 5);
  EXPECT_FALSE(until_close.complete());
  EXPECT_TRUE(until_close.feed_eof());
  EXPECT_EQ(until_close.body(), "abc");
  EXPECT_FALSE(until_close.keep_alive());

  Http1Parser cut(Http1Parser::Kind::response);
  feed_all(cut, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", 100);
  EXPECT_FALSE(cut.feed_eof());
  Http1Parser unfinished(Http1Parser::Kind::response);
  feed_all(unfinished, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 100);
  EXPECT_FALSE(unfinished.feed_eof()) << "the last chunk is missing";

  Http1Parser head(Http1Parser::Kind::response);
  head.expect_no_body();
  EXPECT_EQ(feed_all(head, "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nHTTP", 100), "HTTP");
  EXPECT_TRUE(head.complete());
  Http1Parser not_modified(Http1Parser::Kind::response);
  feed_all(not_modified, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 100);
  EXPECT_TRUE(not_modified.complete());
  Http1Parser garbage(Http1Parser::Kind::response);
  feed_all(garbage, "\x15\x03\x01\r\n\r\n", 100);
  EXPECT_TRUE(garbage.failed());
}

TEST(Http1Target, Parses) {
  const auto target = parse_target("/api/a%20b%2Fc?x=1%262&y=a+b&z&=&x=3");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/api/a b/c");
  EXPECT_EQ(target->query.get("x"), "1&2");
  EXPECT_EQ(target->query.get("y"), "a b");
  EXPECT_TRUE(target->query.has("z"));
  EXPECT_EQ(target->query.all("x").size(), 2u);
  EXPECT_FALSE(parse_target("/a%"));
  EXPECT_FALSE(parse_target("/a%2"));
  EXPECT_FALSE(parse_target("/a%zz"));
  EXPECT_FALSE(parse_target("/a%00b"));
  EXPECT_FALSE(parse_target("/a#b"));
}

TEST(Http1Target, Writes) {
  Request request;
  request.path = "/apis/a:b/c d/\xc3\xa4?";
  request.query.add("labelSelector", "a=b,c in (d)");
  EXPECT_EQ(write_target(request), "/apis/a:b/c%20d/%C3%A4%3F?labelSelector=a%3Db%2Cc%20in%20%28d%29");
  const auto back = parse_target(write_target(request));
  EXPECT_EQ(back->path, request.path);
  EXPECT_EQ(back->query.get("labelSelector"), "a=b,c in (d)");
  request.target_override = "/x%2Fy";
  EXPECT_EQ(write_target(request), "/x%2Fy");
}

TEST(Http1Response, HeadKeepsOutWhatBreaksTheFraming) {
  std::string head;
  append_response_head(head, 200, {{"A", "b"}, {"X", "a\r\nSet-Cookie: x"}, {"B C", "d"}, {"content-length", "7"}});
  EXPECT_EQ(head, "HTTP/1.1 200 OK\r\nA: b\r\n");
}

TEST(Http1Response, Failure) {
  const Response response = failure_response(413, "too \"big\"");
  EXPECT_EQ(*response.body.at(0),
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"too \\\"big\\\"\","
            "\"reason\":\"RequestEntityTooLarge\",\"code\":413}\n");
}

TEST(Headers, CompareWithoutCase) {
  Headers headers{{"A", "1"}, {"b", "2"}, {"a", "3"}};
  EXPECT_EQ(headers.get("a"), "1");
  EXPECT_EQ(headers.all("A").size(), 2u);
  headers.set("a", "4");
  EXPECT_EQ(headers.all("A").size(), 1u);
  EXPECT_EQ(headers.get("A"), "4");
  EXPECT_FALSE(headers.has("c"));
  headers.set("c", "5");
  EXPECT_TRUE(headers.has("C"));
  EXPECT_TRUE(has_list_token("keep-alive, Upgrade", "upgrade"));
  EXPECT_FALSE(has_list_token("keep-alive, Upgrades", "upgrade"));
}

}  // namespace
}  // namespace net
