# frozen_string_literal: true

# Homebrew's words, as far as the formula speaks them, for a machine that has no Homebrew: installs the formula from a folder with the
# files of a release and runs its test, as `brew install` and `brew test` do.
#
#   ruby homebrew.rb FORMULA macos|linux intel|arm FOLDER PREFIX
#
# Source: Homebrew's Formula Cookbook, and its Node formulae, https://docs.brew.sh/Node-for-Formula-Authors.
require "digest"
require "fileutils"
require "open3"
require "pathname"
require "tmpdir"

FORMULA, SYSTEM, PROCESSOR, FOLDER, PREFIX = ARGV

module OS
  def self.mac?
    SYSTEM == "macos"
  end
end

# Homebrew's own addition: moves files into a folder that it makes.
class Pathname
  def install(*sources)
    mkpath
    sources.flatten.each do |source|
      raise "#{source} is not there" unless File.exist?(source)

      FileUtils.mv(source, self)
    end
  end

  def install_symlink(*sources)
    mkpath
    sources.flatten.each { |source| File.symlink(source, self + File.basename(source)) }
  end
end

class Formula
  class << self
    attr_reader :body

    %w[desc homepage version license url sha256 depends_on].each do |word|
      define_method(word) { |value| fields[word] = value }
    end

    def fields
      @fields ||= {}
    end

    { on_macos: [SYSTEM, "macos"], on_linux: [SYSTEM, "linux"], on_intel: [PROCESSOR, "intel"],
      on_arm: [PROCESSOR, "arm"] }.each do |word, (is, wanted)|
      define_method(word) { |&block| class_eval(&block) if is == wanted }
    end

    def test(&block)
      @body = block
    end

    def inherited(formula)
      super
      (@all ||= []) << formula
    end

    def all
      @all
    end
  end

  PLACES = { bin: "bin", libexec: "libexec", man1: "share/man/man1", bash_completion: "etc/bash_completion.d",
             zsh_completion: "share/zsh/site-functions", fish_completion: "share/fish/vendor_completions.d" }.freeze
  PLACES.each { |word, place| define_method(word) { Pathname(PREFIX) + place } }

  def testpath
    Pathname.pwd
  end

  def system(*words)
    raise "#{words.join(" ")} failed" unless Kernel.system(*words, out: $stderr)
  end

  def std_npm_args
    packed, status = Open3.capture2("npm", "pack", "--silent", "--ignore-scripts")
    raise "npm pack failed" unless status.success?

    ["--global", "--prefix=#{libexec}", File.absolute_path(packed.strip)]
  end

  def shell_output(command)
    output, status = Open3.capture2(command)
    raise "#{command} failed" unless status.success?

    output
  end

  def assert_match(wanted, text)
    raise "#{wanted} is not in #{text}" unless text.include?(wanted)
  end
end

load FORMULA
formula = Formula.all.first
fields = formula.fields
archive = File.join(FOLDER, File.basename(fields.fetch("url")))
raise "#{archive} has another checksum" if Digest::SHA256.file(archive).hexdigest != fields.fetch("sha256")

Dir.mktmpdir do |folder|
  Kernel.system("tar", "-xzf", archive, "-C", folder, exception: true)
  Dir.chdir(Dir.glob("#{folder}/*").first) { formula.new.install }
end
Dir.mktmpdir { |folder| Dir.chdir(folder) { formula.new.instance_eval(&formula.body) } }
puts fields.sort.map { |name, value| "#{name} #{value}" }
