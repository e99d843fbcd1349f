/*
 * Runs a declarative Jenkinsfile as Jenkins does, as far as the pipelines of initwrap ci go: the file is compiled and run by
 * Groovy itself, each `sh` by a program that is named, in the workspace and with the pipeline's variables. A directive that is
 * not known where it stands is an error, as it is for Jenkins.
 *
 *   groovy jenkins.groovy JENKINSFILE WORKSPACE RUN CREDENTIALS
 *
 * RUN is called with the agent's image and the script; the variables are in its environment, and their names in
 * PIPELINE_VARIABLES. CREDENTIALS is a folder with one secret text a file. At the end WORKSPACE/env.json has the variables, and
 * WORKSPACE/archived the names of what was archived.
 */
import groovy.json.JsonOutput

jenkinsfile = new File(args[0])
workspace = new File(args[1])
program = args[2]
credentials = new File(args[3])
environment = [WORKSPACE: workspace.path, WORKSPACE_TMP: workspace.path + '@tmp', BUILD_NUMBER: '7']
image = null

/** Runs the body, which knows these words and no others, and adds to them. */
void read(Map<String, Object> words, Closure body) {
    body.delegate = new Expando(words)
    body.resolveStrategy = Closure.DELEGATE_ONLY
    body.call()
}

void run(String script) {
    def builder = new ProcessBuilder(program, image, script).directory(workspace).inheritIO()
    environment.each { name, value -> builder.environment().put(name, value.toString()) }
    builder.environment().put('PIPELINE_VARIABLES', environment.keySet().join(' '))
    int code = builder.start().waitFor()
    if (code != 0) System.exit(code)
}

def steps = [
    sh: { String script -> run(script) },
    script: { Closure body ->
        read([env: environment, readFile: { String name -> new File(workspace, name).text }], body)
    },
    archiveArtifacts: { Map options ->
        if (!new File(workspace, options.artifacts).isFile()) throw new FileNotFoundException(options.artifacts)
        new File(workspace, 'archived') << options.artifacts + '\n'
    },
]
def pipeline = [
    agent: { Closure body ->
        read([docker: { Closure inner -> read([image: { String name -> image = name }], inner) }], body)
    },
    environment: { Closure body ->
        def words = [env: environment, credentials: { String id -> new File(credentials, id).text }]
        read(words, body)
        // What was assigned is among the words now.
        (words.keySet() - ['env', 'credentials']).each { environment[it] = words[it].toString() }
    },
    stages: { Closure body ->
        read([stage: { String name, Closure inner -> read([steps: { Closure each -> read(steps, each) }], inner) }], body)
    },
]

def binding = new Binding(pipeline: { Closure body -> read(pipeline, body) })
new GroovyShell(binding).evaluate(jenkinsfile)
new File(workspace, 'env.json').text = JsonOutput.toJson(environment.collectEntries { name, value -> [name, value.toString()] })
