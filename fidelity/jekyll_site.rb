# Writes a line of JSON for each post of the Jekyll site in ARGV[0], as Jekyll reads and renders it without a layout.
# Nothing of the site is run: no plugin of its own, no theme.
require "json"
require "jekyll"
Jekyll.logger.log_level = :error
config = Jekyll.configuration("source" => ARGV[0], "destination" => ARGV[1], "safe" => true, "quiet" => true,
                              "disable_disk_cache" => true, "incremental" => false, "future" => true)
config["url"] = ARGV[2] if config["url"].to_s.empty?
config["theme"] = nil
config["plugins"] = config["gems"] = []
config["whitelist"] = []
site = Jekyll::Site.new(config)
site.reset
site.read
payload = site.site_payload
site.posts.docs.each do |post|
  post.data["layout"] = "none"
  found = { path: post.path, url: post.url, title: post.data["title"].to_s, date: post.date.utc.strftime("%Y-%m-%dT%H:%M:%SZ") }
  begin
    found[:html] = Jekyll::Renderer.new(site, post, payload).run
  rescue StandardError, SystemStackError => error
    found[:error] = "#{error.class}: #{error.message[0, 200]}"
  end
  puts JSON.generate(found.transform_values { |value| value.dup.force_encoding("UTF-8").scrub })
end
