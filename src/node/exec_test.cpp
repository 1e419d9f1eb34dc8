#include <gtest/gtest.h>

#include "node/streams_state.hpp"

namespace node {
namespace {

class FakeSocket final : public net::WebSocket {
 public:
  bool send_binary(std::string) override { return true; }
  void close(int, std::string) override {}
  size_t pending() const override { return 0; }
  void on_message(std::function<void(std::string, bool)> callback) override { message = std::move(callback); }
  void on_close(std::function<void()> callback) override { gone = std::move(callback); }
  void set_reading(bool reading) override { readings.push_back(reading); }

  std::function<void(std::string, bool)> message;
  std::function<void()> gone;
  std::vector<bool> readings;
};

struct ExecInputTest : testing::Test {
  ExecInputTest() { listen(socket, input); }
  void send(char channel, std::string bytes) { socket->message(channel + std::move(bytes), true); }

  std::shared_ptr<FakeSocket> socket = std::make_shared<FakeSocket>();
  std::shared_ptr<ExecInput> input = std::make_shared<ExecInput>(std::make_shared<Wake>());
};

// Before, all that a peer sent was kept until the command read it.
TEST_F(ExecInputTest, APeerThatSendsMoreThanIsReadHasToWait) {
  const std::string piece(100 << 10, 'x');
  size_t sent = 0;
  while (socket->readings.empty() && sent < 8 * ExecInput::kEnough) {
    send(0, piece);
    sent += piece.size();
  }
  EXPECT_LE(sent, ExecInput::kEnough + piece.size());
  send(0, piece);  // was on its way
  EXPECT_EQ(socket->readings, (std::vector<bool>{false}));
  EXPECT_EQ(take(*input, *socket).bytes.size(), sent + piece.size());
  EXPECT_EQ(socket->readings, (std::vector<bool>{false, true}));
  EXPECT_EQ(take(*input, *socket).bytes, "");
  EXPECT_EQ(socket->readings.size(), 2u);
}

TEST_F(ExecInputTest, NothingComesAfterTheEnd) {
  send(0, "one");
  send('\xff', std::string(1, '\0'));
  send(0, "two");
  const auto taken = take(*input, *socket);
  EXPECT_EQ(taken.bytes, "one");
  EXPECT_TRUE(taken.ended);
}

TEST_F(ExecInputTest, OddMessagesAreIgnored) {
  socket->message("", true);
  send(4, "garbage");
  send(4, std::string(5000, '['));
  send('\xff', "");
  send(9, "x");
  auto taken = take(*input, *socket);
  EXPECT_EQ(taken.bytes, "");
  EXPECT_FALSE(taken.ended);
  EXPECT_FALSE(taken.size.has_value());
  send(4, R"({"Width":100,"Height":30})");
  EXPECT_EQ(take(*input, *socket).size, (std::pair{100, 30}));
}

}  // namespace
}  // namespace node
