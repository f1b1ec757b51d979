#pragma once

#include <cstdint>
#include <string_view>

// What of the transcripts is not played over datagrams, and why. A file is skipped as a whole, or
// so many of its commands are answered by TextOverDatagrams itself; a run that counts others fails.
namespace minos {

struct TextOnly {
  std::string_view transcript;
  bool skipped = false;
  std::uint32_t refused = 0;  // lines that are no command, and answered
  std::uint32_t foreign = 0;  // version, verbosity, quit: there is no such request
  std::string_view why;
};

inline constexpr TextOnly kTextOnly[] = {
    {"errors.txt", true, 0, 0, "lines and bodies that break the rules of text"},
    {"line_ends.txt", true, 0, 0, "how bytes become lines and numbers"},
    {"minos_lines.txt", true, 0, 0, "how bytes become lines and numbers"},
    {"shutdown.txt", true, 0, 0, "there is no such request"},

    {"basic.txt", false, 0, 2, "version, quit"},
    {"cas.txt", false, 6, 0, "ids that are no numbers, too few or too many words"},
    {"delete.txt", false, 9, 0, "words after the key, keys too long"},
    {"flush_all.txt", false, 4, 0, "delays that are no numbers, too many words"},
    {"incr_decr.txt", false, 12, 0, "deltas that are no numbers, too few or too many words"},
    {"noreply.txt", false, 5, 2, "what is answered nevertheless; version, verbosity"},
    {"pipelining.txt", false, 2, 3, "no command; version, verbosity, quit"},
    {"stats.txt", false, 0, 1, "version"},
    {"touch_gat.txt", false, 13, 0, "times that are no numbers, too few or too many words"},
};

inline const TextOnly* text_only(std::string_view transcript) {
  for (const TextOnly& entry : kTextOnly) {
    if (entry.transcript == transcript) return &entry;
  }
  return nullptr;
}

}  // namespace minos
