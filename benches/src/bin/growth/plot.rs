//! Drawing.

use anyhow::{Context, Result, anyhow};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use std::path::Path;

use super::{Plot, Series};

const SIZE: (u32, u32) = (800, 480);
/// Told apart by people who do not see all colours, too.
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];

/// Draws a plot to a file.
pub(super) fn draw(plot: &Plot, path: &Path) -> Result<()> {
    let points = || plot.series.iter().flat_map(|series| &series.points);
    let ends = |values: &dyn Fn(&(f64, f64)) -> f64| {
        points()
            .map(values)
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (left, right) = ends(&|&(x, _)| x);
    let (_, top) = ends(&|&(_, y)| y);
    if left > right {
        return Err(anyhow!("{} has no figures", plot.name));
    }
    // Room for the names of the lines.
    let top = 0.0..top * 1.45;
    if plot.x.logarithmic {
        on(plot, path, (left..right).log_scale(), top)
    } else {
        on(plot, path, 0.0..right, top)
    }
}

/// Draws it with these edges.
fn on<X>(plot: &Plot, path: &Path, x: X, y: core::ops::Range<f64>) -> Result<()>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
{
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(&plot.title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .x_desc(&plot.x.label)
        .y_desc(&plot.y.label)
        .x_label_formatter(&|&x| short(x))
        .y_label_formatter(&|&y| short(y))
        .light_line_style(WHITE)
        .label_style(("sans-serif", 13))
        .draw()?;
    for (Series { label, points }, &colour) in plot.series.iter().zip(COLOURS.iter().cycle()) {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(RGBColor(200, 200, 200))
        .label_font(("sans-serif", 13))
        .draw()?;
    area.present().with_context(|| path.display().to_string())
}

/// A number along an edge.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{}M", value / 1e6),
        size if size >= 1e3 => format!("{}k", value / 1e3),
        _ => format!("{}", (value * 1e3).round() / 1e3),
    }
}
