function __hobnob_propose
    set -l typed (commandline -opc)
    set -l found ($typed[1] completions fish -- $typed[2..-1] (commandline -ct) 2>/dev/null)
    switch "$found[1]"
        case :files
            __fish_complete_path (commandline -ct)
        case :folders
            __fish_complete_directories (commandline -ct) ''
        case '*'
            printf '%s\n' $found
    end
end
complete -c hobnob -k -f -a '(__hobnob_propose)'
