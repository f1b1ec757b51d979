#include "experiment/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>

#include "experiment/table.h"

namespace minos {
namespace {

// All lengths are in units of the drawing, which the page scales.
constexpr double kWidth = 710;
constexpr double kHeight = 400;
constexpr double kLeft = 70;
constexpr double kRight = 520;
constexpr double kTop = 40;
constexpr double kBottom = 345;
constexpr double kLegendX = kRight + 16;
constexpr double kLegendRow = 22;
constexpr double kMarkerRadius = 4;
constexpr std::size_t kMarkersMax = 16;  // of one line: more would hide it

struct SeriesStyle {
  std::string_view colour;
  std::string_view dashes;
  // Of the marker, around (0, 0) with radius 1.
  std::string_view marker;
};
constexpr std::array kStyles = {
    SeriesStyle{"#D55E00", "", "M-1 0A1 1 0 1 0 1 0A1 1 0 1 0-1 0Z"},
    SeriesStyle{"#0072B2", "9 3", "M-.9-.9H.9V.9H-.9Z"},
    SeriesStyle{"#000000", "2 3", "M0-1.2L1.1.9H-1.1Z"},
    SeriesStyle{"#009E73", "9 3 2 3", "M0-1.3L1.3 0L0 1.3L-1.3 0Z"},
    SeriesStyle{"#CC79A7", "5 3", "M0 1.2L1.1-.9H-1.1Z"},
    SeriesStyle{"#56B4E9", "12 3", "M-1.1-.3H-.3V-1.1H.3V-.3H1.1V.3H.3V1.1H-.3V.3H-1.1Z"},
    SeriesStyle{"#E69F00", "4 2 1 2", "M-1.2-.5H1.2V.5H-1.2Z"},
};

class SvgPlot {
 public:
  explicit SvgPlot(const Plot& plot) : plot_(plot) {}

  std::string draw() {
    open();
    grid();
    rules();
    for (std::size_t i = 0; i < plot_.series.size(); ++i) {
      plot_.kind == PlotKind::kBars ? bars(i) : line(plot_.series[i]);
    }
    rule_labels();
    frame();
    legend();
    out_ += "</svg>\n";
    return std::move(out_);
  }

 private:
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }

  double x_of(double value) const { return kLeft + (kRight - kLeft) * position_on(plot_.x, value); }

  double y_of(double value) const {
    return kBottom - (kBottom - kTop) * position_on(plot_.y, value);
  }

  bool can_show(const PlotPoint& point) const {
    return std::isfinite(point.x) && std::isfinite(point.y) &&
           (!plot_.x.logarithmic || point.x > 0) && (!plot_.y.logarithmic || point.y > 0);
  }

  static const SeriesStyle& style_of(const PlotSeries& series) {
    return kStyles[series.style % kStyles.size()];
  }

  void text(double x, double y, std::string_view attributes, std::string_view words) {
    add("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, attributes, escaped(words));
  }

  void open() {
    add("<svg class=\"plot\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" "
        "role=\"img\" aria-label=\"{}\" font-family=\"Helvetica, Arial, sans-serif\" "
        "font-size=\"13\" fill=\"#000\">\n",
        kWidth, kHeight, escaped(plot_.title));
    add("<rect width=\"{}\" height=\"{}\" fill=\"#fff\"/>\n", kWidth, kHeight);
    text((kLeft + kRight) / 2, 22, "class=\"title\" text-anchor=\"middle\" font-weight=\"bold\"",
         plot_.title);
  }

  void grid() {
    for (const Tick& tick : ticks_of(plot_.x)) {
      const double x = x_of(tick.value);
      add("<path class=\"grid\" d=\"M{0:.1f} {1:.1f}V{2:.1f}\" stroke=\"#ddd\"/>\n", x, kTop,
          kBottom);
      if (!tick.label.empty()) text(x, kBottom + 18, "text-anchor=\"middle\"", tick.label);
    }
    for (const Tick& tick : ticks_of(plot_.y)) {
      const double y = y_of(tick.value);
      add("<path class=\"grid\" d=\"M{:.1f} {:.1f}H{:.1f}\" stroke=\"{}\"/>\n", kLeft, y, kRight,
          tick.label.empty() ? "#eee" : "#ddd");
      if (!tick.label.empty()) text(kLeft - 7, y + 4.5, "text-anchor=\"end\"", tick.label);
    }
  }

  void rules() {
    for (const PlotRule& rule : plot_.x_rules) {
      add("<path class=\"rule\" d=\"M{:.1f} {:.1f}V{:.1f}\" stroke=\"#777\" "
          "stroke-dasharray=\"1 2\"/>\n",
          x_of(rule.value), kTop, kBottom);
    }
    if (!plot_.y_rule) return;
    add("<path class=\"rule\" d=\"M{:.1f} {:.1f}H{:.1f}\" stroke=\"#000\" stroke-width=\"1.2\" "
        "stroke-dasharray=\"1 2\"/>\n",
        kLeft, y_of(plot_.y_rule->value), kRight);
  }

  // Over the series, and readable where one of them passes.
  void rule_labels() {
    constexpr std::string_view kAttributes =
        "font-size=\"11\" paint-order=\"stroke\" stroke=\"#fff\" stroke-width=\"3\"";
    for (const PlotRule& rule : plot_.x_rules) {
      text(x_of(rule.value) + 3, kTop + 12, kAttributes, rule.label);
    }
    if (plot_.y_rule) {
      text(kLeft + 5, y_of(plot_.y_rule->value) - 5, kAttributes, plot_.y_rule->label);
    }
  }

  // Where the line between the two crosses the top of the plot.
  static PlotPoint at_top(const PlotPoint& a, const PlotPoint& b) {
    return {.x = a.x + (b.x - a.x) * (kTop - a.y) / (b.y - a.y), .y = kTop};
  }

  // Lines leave the plot at its top; steps run along it.
  std::string path_through(const std::vector<PlotPoint>& points) const {
    std::string path;
    const PlotPoint* last = nullptr;
    for (const PlotPoint& point : points) {
      const bool out = point.y < kTop;
      const PlotPoint shown = {.x = point.x, .y = std::max(point.y, kTop)};
      if (last == nullptr) {
        if (!out || plot_.kind == PlotKind::kSteps) move(path, 'M', shown);
      } else if (plot_.kind == PlotKind::kSteps) {
        path += fmt::format("H{:.1f}V{:.1f}", shown.x, shown.y);
      } else {
        const bool was_out = last->y < kTop;
        if (was_out && !out) move(path, 'M', at_top(*last, point));
        if (!was_out && out) move(path, 'L', at_top(*last, point));
        if (!out) move(path, 'L', shown);
      }
      last = &point;
    }
    return path;
  }

  static void move(std::string& path, char how, const PlotPoint& to) {
    path += fmt::format("{}{:.1f} {:.1f}", how, to.x, to.y);
  }

  void line(const PlotSeries& series) {
    std::vector<PlotPoint> points;
    for (const PlotPoint& point : series.points) {
      if (can_show(point)) points.push_back({.x = x_of(point.x), .y = y_of(point.y)});
    }
    if (points.empty()) return;
    const SeriesStyle& style = style_of(series);
    add("<path class=\"series\" d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" "
        "stroke-linejoin=\"round\" stroke-dasharray=\"{}\"><title>{}</title></path>\n",
        path_through(points), style.colour, style.dashes.empty() ? "none" : style.dashes,
        escaped(series.name));
    const std::size_t stride = (points.size() + kMarkersMax - 1) / kMarkersMax;
    for (std::size_t i = 0; i < points.size(); i += stride) {
      if (points[i].y >= kTop) marker(style, points[i]);
    }
  }

  void marker(const SeriesStyle& style, PlotPoint at) {
    add("<path d=\"{}\" transform=\"translate({:.1f} {:.1f}) scale({})\" fill=\"{}\"/>\n",
        style.marker, at.x, at.y, kMarkerRadius, style.colour);
  }

  // Each bar wears its series' marker, as grey tones alone would not tell five apart.
  void bars(std::size_t index) {
    const PlotSeries& series = plot_.series[index];
    const SeriesStyle& style = style_of(series);
    const double group = (x_of(1) - x_of(0)) * 0.84;
    const double width = group / static_cast<double>(plot_.series.size());
    std::string path;
    std::vector<PlotPoint> tops;
    for (const PlotPoint& point : series.points) {
      if (!can_show(point)) continue;
      const double left = x_of(point.x) - group / 2 + width * static_cast<double>(index);
      const double y = std::min(y_of(point.y), kBottom);
      path += fmt::format("M{:.1f} {:.1f}V{:.1f}H{:.1f}V{:.1f}Z", left, kBottom, y,
                          left + width * 0.86, kBottom);
      tops.push_back({.x = left + width * 0.43, .y = y});
    }
    if (path.empty()) return;
    add("<path class=\"series\" d=\"{}\" fill=\"{}\" fill-opacity=\"0.55\" stroke=\"{}\">"
        "<title>{}</title></path>\n",
        path, style.colour, style.colour, escaped(series.name));
    for (const PlotPoint& top : tops) marker(style, top);
  }

  void frame() {
    add("<path class=\"axes\" d=\"M{0:.1f} {1:.1f}V{2:.1f}H{3:.1f}\" fill=\"none\" "
        "stroke=\"#000\"/>\n",
        kLeft, kTop, kBottom, kRight);
    text((kLeft + kRight) / 2, kBottom + 42, "class=\"axis-label\" text-anchor=\"middle\"",
         plot_.x.label);
    const double middle = (kTop + kBottom) / 2;
    text(0, 0,
         fmt::format("class=\"axis-label\" text-anchor=\"middle\" "
                     "transform=\"translate(18 {:.1f}) rotate(-90)\"",
                     middle),
         plot_.y.label);
  }

  void legend() {
    double y = kTop + 10;
    for (const PlotSeries& series : plot_.series) {
      const SeriesStyle& style = style_of(series);
      if (plot_.kind != PlotKind::kBars) {
        add("<path d=\"M{:.1f} {:.1f}h30\" stroke=\"{}\" stroke-width=\"2\" "
            "stroke-dasharray=\"{}\"/>\n",
            kLegendX, y, style.colour, style.dashes.empty() ? "none" : style.dashes);
      }
      marker(style, {.x = kLegendX + 15, .y = y});
      text(kLegendX + 36, y + 4.5, "class=\"legend\"", series.name);
      y += kLegendRow;
    }
  }

  const Plot& plot_;
  std::string out_;
};

struct Span {
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();

  void cover(double value, bool logarithmic) {
    if (!std::isfinite(value) || (logarithmic && value <= 0)) return;
    min = std::min(min, value);
    max = std::max(max, value);
  }
};

Axis fitted(Axis axis, Span span) {
  if (span.min > span.max) span = {.min = 1, .max = 10};
  axis.min = span.min;
  axis.max = span.max;
  return axis;
}

}  // namespace

void fit_axes(Plot& plot, double decades_max) {
  Span x;
  Span y;
  for (const PlotSeries& series : plot.series) {
    for (const PlotPoint& point : series.points) {
      x.cover(point.x, plot.x.logarithmic);
      y.cover(point.y, plot.y.logarithmic);
    }
  }
  if (plot.y_rule) y.cover(plot.y_rule->value, plot.y.logarithmic);
  plot.x = fitted(plot.x, x);
  if (plot.kind == PlotKind::kBars) {
    plot.x.min -= 0.5;
    plot.x.max += 0.5;
  } else {
    plot.x = rounded_out(plot.x);
  }
  plot.y = fitted(plot.y, y);
  if (plot.y.logarithmic) {
    plot.y.max = std::min(plot.y.max, plot.y.min * std::pow(10.0, decades_max));
  } else {
    plot.y.min = 0;
  }
  plot.y = rounded_out(plot.y);
}

std::string svg_of(const Plot& plot) {
  return SvgPlot(plot).draw();
}

}  // namespace minos
