# Reads a line of JSON with a post's Markdown, writes a line of JSON with its HTML, as Jekyll sets kramdown up.
require "json"
require "kramdown"
require "kramdown-parser-gfm"
OPTIONS = { input: "GFM", auto_ids: true, toc_levels: (1..6).to_a, entity_output: :as_char,
            smart_quotes: "lsquo,rsquo,ldquo,rdquo", hard_wrap: false, footnote_nr: 1, show_warnings: false,
            syntax_highlighter: nil, math_engine: nil }
$stdout.sync = true
while (line = $stdin.gets)
  given = JSON.parse(line)
  begin
    html = Kramdown::Document.new(given["source"], OPTIONS.merge((given["options"] || {}).transform_keys(&:to_sym))).to_html
  rescue StandardError, SystemStackError, NotImplementedError => error
    html = "<p>kramdown failed: #{error.class}</p>"
  end
  puts JSON.generate(html.scrub)
end
