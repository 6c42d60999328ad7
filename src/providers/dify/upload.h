// An upload, read along as it passes: the file in the request (multipart/form-data, RFC 7578), and what Dify's answer says that it
// keeps. Pure; total.
//
// The hash stands in a cache key for the file, so a file that Dify reads in another way than we do would give one user the answer to
// another's question. Hence nothing is guessed: what is not written as clients write it leaves the file unknown, and
// name and type are taken from Dify's answer, not from the request. Both matter, since a workflow can read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "chat/digest.h"

namespace outrigger::providers::dify {

struct FileContent {
  std::string sha256;  // hex
  std::uint64_t size = 0;
};

// The content of the part named `file`, from a body in any split. Keeps nothing of it: what is held back while a delimiter may be
// coming is a part of the delimiter itself, and a part's header lines are bounded.
//
//   start ──delimiter──► after_delimiter ──CRLF──► head ──empty line──► content ──delimiter──► after_delimiter ──"--"──► end
//
// Any state may become `odd`, which is final: no boundary or one that RFC 2046 does not have, a preamble, an epilogue, a delimiter
// after a bare CR or LF or with something behind it, header lines that are folded, too long, doubled or not in form, a transfer
// encoding, a part `file` that is no file, or a second one.
class UploadReader {
 public:
  static constexpr std::size_t k_head_max = 8 * 1024;  // of one part

  // `content_type`: the request's.
  explicit UploadReader(std::string_view content_type);

  void feed(std::string_view piece);
  // After the last piece, once. Nothing: there is no such file, the body is not whole, or it is odd.
  [[nodiscard]] std::optional<FileContent> finish();

 private:
  enum class State : unsigned char { start, after_delimiter, head, content, end, odd };

  // Each takes some of the piece, from its beginning, and says how much.
  std::size_t take(std::string_view piece);
  std::size_t take_content(std::string_view piece);
  std::size_t match_delimiter(std::string_view piece);
  std::size_t take_after_delimiter(std::string_view piece);
  std::size_t take_head(std::string_view piece);
  std::size_t take_end(std::string_view piece);

  void end_part();
  void begin_head();
  void read_line(std::string_view line);
  void read_disposition(std::string_view value);
  void begin_content();
  void add(std::string_view content);

  State state_ = State::start;
  std::string delimiter_;  // "--" and the boundary, without the CRLF before it
  // At the beginning of a line of content: what of a delimiter has come.
  bool at_line_begin_ = true;
  std::string_view line_end_;  // before it, held back
  std::size_t matched_ = 0;

  std::string line_;  // of a head, or what follows a delimiter; not whole
  std::size_t head_size_ = 0;
  bool has_disposition_ = false;
  bool is_file_ = false;  // the part
  bool has_file_ = false;
  chat::Sha256 hash_;
  std::uint64_t size_ = 0;
};

struct Upload {
  std::string id;    // what runs call it: letters, digits and '-'
  std::string hash;  // over content, name and type; hex
};

// `answer`: to the upload of `content`. Nothing: it was refused, is not understood, or Dify keeps another number of bytes.
std::optional<Upload> read_upload(const FileContent& content, int status, std::string_view answer);

}  // namespace outrigger::providers::dify
