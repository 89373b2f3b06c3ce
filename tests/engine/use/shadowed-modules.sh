# An application's own modules and packages are found, even if modules of the standard library have the same names.
names="array fcntl grp linecache math mmap pyexpat resource secrets select statistics termios"
mkdir modules packages
for name in $names; do
    echo 'OWN = True' >"modules/$name.py"
    mkdir "packages/$name"
    cp "modules/$name.py" "packages/$name/__init__.py"
done
for folder in modules packages; do
    {
        echo "import ${names// /, }"
        for name in $names; do echo "assert $name.OWN"; done
        echo 'print("own", flush=True)'
        echo 'import posix; posix._exit(0)'
    } >$folder/__main__.py
    cp $folder/__main__.py $folder/application.py
    python3 -m zipapp $folder --output=$folder.pyz
    [ "$(python3 $folder/application.py)" = own ]
    [ "$(python3 $folder)" = own ]
    [ "$(python3 $folder.pyz)" = own ]
    [ "$(PYTHONPATH=/srv/$folder python3 -m application)" = own ]
    [ "$(cd $folder && python3 -m application)" = own ]
done
python3 -c "import ${names// /, }; print(math.__file__, resource.__file__)"
