#include "experiment/table.h"

#include <gtest/gtest.h>

namespace minos {
namespace {

TEST(Table, CsvQuotesOnlyWhatNeedsIt) {
  const Table table{
      .columns = {"name", "p99_us"},
      .rows = {{"plain text", "1.5"}, {"a,b", ""}, {"says \"no\"", "2"}, {"two\nlines", "3"}}};
  EXPECT_EQ(csv_of(table),
            "name,p99_us\n"
            "plain text,1.5\n"
            "\"a,b\",\n"
            "\"says \"\"no\"\"\",2\n"
            "\"two\nlines\",3\n");
}

TEST(Table, EscapesWhatHtmlWouldRead) {
  EXPECT_EQ(escaped("p99 <= 10 & \"x\" 'y' > µs"),
            "p99 &lt;= 10 &amp; &quot;x&quot; &#39;y&#39; &gt; µs");
}

TEST(Table, HtmlHasAHeadingForEachRowAndColumn) {
  const Table table{.columns = {"load", "<b>"}, .rows = {{"50 %", "1&2"}}};
  EXPECT_EQ(html_of(table),
            "<table>\n<thead><tr><th scope=\"col\">load</th><th scope=\"col\">&lt;b&gt;</th></tr>"
            "</thead>\n<tbody>\n<tr><th scope=\"row\">50 %</th><td>1&amp;2</td></tr>\n</tbody>\n"
            "</table>\n");
}

}  // namespace
}  // namespace minos
